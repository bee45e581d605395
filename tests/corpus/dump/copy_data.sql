-- expect: refused: COPY
CREATE TABLE public.t (id integer);
COPY public.t (id) FROM stdin;
1
2
\.
