DROP TABLE wallstreet.sessions;
