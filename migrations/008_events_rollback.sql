DROP TABLE wallstreet.events;
