-- expect: round-trip
CREATE TABLE public.log (at date NOT NULL, line text) PARTITION BY RANGE (at);
CREATE TABLE public.log_old (at date NOT NULL, line text);
ALTER TABLE ONLY public.log ATTACH PARTITION public.log_old FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE INDEX log_at_idx ON ONLY public.log USING btree (at);
