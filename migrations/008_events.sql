-- What the world may know, written in the transaction of the change itself.

CREATE TABLE wallstreet.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_type varchar(100) NOT NULL,
    user_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
