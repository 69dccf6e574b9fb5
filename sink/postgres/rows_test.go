package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/postgres"
)

type rows = postgres.Options[[]byte, row.Row]

// pair is a record with a key and a value, which may be null.
type pair struct{ key, value string }

const null = "\x00"

// at is the time of the records.
var at = time.Date(2025, 7, 10, 14, 35, 9, 872e6, time.UTC)

// record returns the record of a pair.
func (p pair) record(tb testing.TB) *weir.Record[[]byte, row.Row] {
	r := &weir.Record[[]byte, row.Row]{Key: []byte(p.key), KeyNull: p.key == null, Millis: at.UnixMilli(), Origin: &weir.Origin{Topic: "in"}}
	if r.ValueNull = p.value == null; !r.ValueNull {
		var err error
		if r.Value, err = row.Parse(p.value); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

// open connects a plain sink, and returns the writer of a task.
func open(tb testing.TB, o rows) sink.Writer[[]byte, row.Row] {
	tb.Helper()
	if o.Retry = quickly; o.URL.Reveal() == "" {
		o.URL = secret.New(server)
	}
	s := postgres.New(o)
	if err := s.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close(context.Background()) })
	w, err := s.Writer(tb.Context(), sink.Task{Sink: "s", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// write adds records and flushes them.
func write(tb testing.TB, w sink.Writer[[]byte, row.Row], pairs ...pair) error {
	tb.Helper()
	for _, p := range pairs {
		if err := w.Add(tb.Context(), p.record(tb)); err != nil {
			return err
		}
	}
	return w.Flush(tb.Context(), sink.Checkpoint{ID: 1})
}

func expect(tb testing.TB, statement string, want ...string) {
	tb.Helper()
	if diff := cmp.Diff(want, query(tb, statement)); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", statement, diff)
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Error(err)
	}
}

func TestColumnsAreMadeWithTheTypesOfTheirValues(t *testing.T) {
	s := schema(t)
	w := open(t, rows{Schema: s, Table: "t", Types: map[string]string{"price": "numeric(8,2)", "on": "date"}})
	must(t, write(t, w,
		pair{"k1", `{"i":1,"f":1.0,"b":true,"s":"é","l":[1,{"a":null}],"o":{"x":1},"big":123456789012345678901234567890,"price":1.239,"on":"2025-01-02","none":null}`},
		pair{null, `{"i":-5,"later":"only in the second row","f":2}`},
		pair{"k3", `{"i":2.0}`}))
	must(t, write(t, w, pair{"k4", `{"newest":7}`}))
	expect(t, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = '"+s+"' ORDER BY 1",
		"(__key,text)", "(b,boolean)", "(big,numeric)", `(f,"double precision")`, "(i,bigint)", "(l,jsonb)", "(later,text)", "(newest,bigint)",
		"(o,jsonb)", "(on,date)", "(price,numeric)", "(s,text)", `(timestamp,"timestamp with time zone")`)
	expect(t, `SELECT "__key", i, f, b, s, l, o, big, price, "on", later, newest FROM `+s+`.t ORDER BY "timestamp", coalesce("__key", 'k2')`,
		`(k1,1,1,t,é,"[1, {""a"": null}]","{""x"": 1}",123456789012345678901234567890,1.24,2025-01-02,,)`,
		`(,-5,2,,,,,,,,"only in the second row",)`, `(k3,2,,,,,,,,,,)`, `(k4,,,,,,,,,,,7)`)
	expect(t, `SELECT DISTINCT "timestamp" AT TIME ZONE 'UTC' FROM `+s+`.t`, `("2025-07-10 14:35:09.872")`)
}

func TestATableOfTheUserKeepsItsTypesAndDefaults(t *testing.T) {
	s := schema(t)
	exec(t, "CREATE TABLE "+s+`.t (id serial PRIMARY KEY, "at" timestamptz, u uuid, n int, doc json, note text DEFAULT 'none')`)
	w := open(t, rows{Schema: s, Table: "t", KeyColumn: postgres.NoColumn, TimeColumn: postgres.NoColumn, FixedTables: true})
	err := write(t, w,
		pair{"a", `{"at":"2025-01-02T03:04:05Z","u":"00000000-0000-0000-0000-000000000001","n":1,"doc":"text"}`},
		pair{"b", `{"n":5000000000}`}, pair{"c", `{"n":2,"unknown":1}`}, pair{"d", `{"n":3,"u":"none"}`}, pair{"e", `{"n":4,"doc":{"a":[1]}}`})
	refused, _ := errors.AsType[sink.RecordErrors](err)
	got := map[int]string{}
	for _, r := range refused {
		got[r.Index] = r.Err.Error()
	}
	for index, text := range map[int]string{1: "integer out of range", 2: `column "unknown"`, 3: "invalid input syntax for type uuid"} {
		if !strings.Contains(got[index], text) {
			t.Errorf("record %d: got %q, want %q in it", index, got[index], text)
		}
	}
	if len(got) != 3 {
		t.Errorf("refused: %v", err)
	}
	expect(t, "SELECT id > 0, at AT TIME ZONE 'UTC', u, n, doc, note FROM "+s+".t ORDER BY n",
		`(t,"2025-01-02 03:04:05",00000000-0000-0000-0000-000000000001,1,"""text""",none)`, `(t,,,4,"{""a"":[1]}",none)`)
}

// A value is written, or refused, whichever values of other kinds share its batch. The server casts a float to an integer by rounding, and a
// boolean or an integer to many types not at all.
func TestAValueDoesNotDependOnTheOthersOfItsBatch(t *testing.T) {
	values := []string{`1`, `2.5`, `3.0`, `true`, `"4"`, `"x"`, `5000000000`, `"2025-01-02"`, `0`, `1e300`, `[1]`}
	for _, kind := range []string{"bigint", "integer", "numeric(12,1)", "double precision", "boolean", "text", "varchar(8)", "char(8)", "bit(2)", "timestamptz", "date", "bytea", "jsonb"} {
		t.Run(kind, func(t *testing.T) {
			s := schema(t)
			results := map[string]string{}
			for table, size := range map[string]int{"alone": 1, "together": len(values)} {
				exec(t, fmt.Sprintf("CREATE TABLE %s.%s (__key text, v %s)", s, table, kind))
				w := open(t, rows{Schema: s, Table: table, TimeColumn: postgres.NoColumn, FixedTables: true, Batch: sink.BatchOptions{MaxRecords: size, AtCheckpoint: true}})
				for i, v := range values {
					must(t, w.Add(t.Context(), pair{fmt.Sprint(i), `{"v":` + v + `}`}.record(t)))
				}
				for {
					err := w.Flush(t.Context(), sink.Checkpoint{ID: 1})
					if err == nil {
						break
					}
					if _, refused := errors.AsType[sink.RecordErrors](err); !refused {
						t.Fatalf("%s: %v", table, err)
					}
				}
				results[table] = strings.Join(query(t, "SELECT __key, v FROM "+s+"."+table+" ORDER BY __key"), " ")
			}
			if diff := cmp.Diff(results["alone"], results["together"]); diff != "" {
				t.Errorf("(-alone +together):\n%s", diff)
			}
			if strings.HasSuffix(kind, "int") && strings.Contains(results["alone"], "(1,") {
				t.Errorf("2.5 was written to a column of type %s: %s", kind, results["alone"])
			}
			if strings.Contains(kind, "char") && strings.Contains(results["alone"], "(6,") {
				t.Errorf("5000000000 was cut off for a column of type %s: %s", kind, results["alone"])
			}
		})
	}
}

// A row that adds columns for which the table has no room is refused, and others are written.
func TestARowWithTooManyColumnsIsRefused(t *testing.T) {
	columns := []byte("__key text, timestamp timestamptz, c0 int")
	for i := 1; i < 1595; i++ {
		columns = fmt.Appendf(columns, ", c%d boolean", i)
	}
	for name, twoPhases := range map[string]bool{"plain": false, "in two phases": true} {
		t.Run(name, func(t *testing.T) {
			s := schema(t)
			o := rows{Schema: s, Table: "t"}
			exec(t, "CREATE TABLE "+s+".t ("+string(columns)+")")
			pairs := []pair{{"a", `{"c0":1}`}, {"b", `{"d1":1}`}, {"c", `{"d1":1,"d2":1,"d3":1,"d4":1,"d5":1}`}, {"d", `{"c0":2}`}}
			var failed error
			if twoPhases {
				o.URL, o.Retry = secret.New(server), quickly
				both := postgres.NewExactlyOnce(o)
				must(t, both.Connect(t.Context()))
				t.Cleanup(func() { _ = both.Close(context.Background()) })
				w, err := both.TwoPhaseWriter(t.Context(), sink.Task{Sink: "s", Now: time.Now})
				must(t, err)
				for _, p := range pairs {
					must(t, w.Add(t.Context(), p.record(t)))
				}
				_, failed = w.Prepare(t.Context(), sink.Checkpoint{ID: 1, Epoch: "1"})
			} else {
				failed = write(t, open(t, o), pairs...)
				expect(t, "SELECT __key FROM "+s+".t ORDER BY 1", "(a)", "(b)", "(d)")
			}
			refused, ok := errors.AsType[sink.RecordErrors](failed)
			if !ok || len(refused) != 1 || refused[0].Index != 2 || !strings.Contains(refused[0].Err.Error(), "at most 1600 columns") {
				t.Errorf("got %v", failed)
			}
		})
	}
}

func TestOptionsThatTheDatabaseDoesNotKnowAreFoundByConnect(t *testing.T) {
	s := schema(t)
	for want, o := range map[string]rows{
		`type "nosuchtype" of column "a"`:           {Types: map[string]string{"a": "nosuchtype"}},
		`Key has column "id" twice`:                 {Key: []string{"id", "id"}},
		`KeyColumn and TimeColumn are both "c"`:     {KeyColumn: "c", TimeColumn: "c"},
		`column "ctid": the database uses the name`: {Key: []string{"ctid"}},
		"HoldBytes is -1":                           {Batch: sink.BatchOptions{HoldBytes: -1}},
	} {
		o.URL, o.Schema, o.Table = secret.New(server), s, "t"
		if err := postgres.New(o).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTheLastOfTheRowsWithAKeyCountsAndANullRemovesIt(t *testing.T) {
	s := schema(t)
	w := open(t, rows{Schema: s, Table: "t", Mode: postgres.Upsert, Key: []string{"__key"}, TimeColumn: postgres.NoColumn})
	must(t, write(t, w, pair{"a", `{"n":1,"m":1}`}, pair{"b", `{"n":1}`}, pair{"c", `{"n":1,"m":1}`}))
	must(t, write(t, w, pair{"a", `{"n":2}`}, pair{"b", null}, pair{"a", `{"n":3}`}, pair{"d", `{"n":1}`}, pair{"d", null}, pair{"b", null}, pair{"c", null}, pair{"c", `{"n":9}`}))
	expect(t, "SELECT * FROM "+s+`.t ORDER BY "__key"`, "(a,3,)", "(c,9,)")
	if err := write(t, w, pair{null, `{"n":1}`}); err == nil || !strings.Contains(err.Error(), `no value for column "__key" of the primary key`) {
		t.Errorf("a record without a key: %v", err)
	}
}

func TestARowThatIsThereIsAnErrorThatNamesItsKeyAndTheRemedy(t *testing.T) {
	s := schema(t)
	w := open(t, rows{Schema: s, Table: "t", Key: []string{"host"}, TimeColumn: postgres.NoColumn})
	must(t, write(t, w, pair{"k", `{"host":"h0","n":1}`}))
	err := write(t, w, pair{"k", `{"host":"h1","n":1}`}, pair{"k", `{"host":"h0","n":2}`}, pair{"k", `{"host":"h2","n":1}`})
	refused, _ := errors.AsType[sink.RecordErrors](err)
	if len(refused) != 1 || refused[0].Index != 1 || !strings.Contains(err.Error(), "Key (host)=(h0) already exists") || !strings.Contains(err.Error(), "Upsert") {
		t.Errorf("got %v", err)
	}
	w = open(t, rows{Schema: s, Table: "t", Key: []string{"host"}, TimeColumn: postgres.NoColumn, Mode: postgres.InsertNew})
	must(t, write(t, w, pair{"k", `{"host":"h0","n":7}`}, pair{"k", `{"host":"h3","n":7}`}, pair{"k", `{"host":"h3","n":8}`}))
	expect(t, "SELECT host, n FROM "+s+".t ORDER BY host", "(h0,1)", "(h1,1)", "(h2,1)", "(h3,7)")
}

func TestNamesAreNeverSQL(t *testing.T) {
	s := schema(t)
	evil := `x"; DROP SCHEMA ` + s + ` CASCADE; --`
	w := open(t, rows{Schema: s, TableOf: func(r *weir.Record[[]byte, row.Row]) (string, error) { return string(r.Key), nil }})
	must(t, write(t, w, pair{evil, `{"a":1}`}, pair{"Table", `{"` + strings.ReplaceAll(evil, `"`, `\"`) + `":2}`}, pair{"select", `{"$1":"'; --"}`}))
	expect(t, "SELECT tablename FROM pg_tables WHERE schemaname = '"+s+"' ORDER BY 1",
		"(Table)", "(select)", `("`+strings.ReplaceAll(evil, `"`, `""`)+`")`)
	for name, pair := range map[string]pair{
		"longer than 63 bytes": {strings.Repeat("x", 64), `{"a":1}`}, "empty": {"", `{"a":1}`}, "prepared rows": {"weir_staging_x", `{"a":1}`},
		"uses the name itself": {"t", `{"weir_task":1}`},
	} {
		if err := write(t, w, pair); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: got %v, want %q", pair, err, name)
		}
	}
}

func TestConnectSaysWhatIsMissing(t *testing.T) {
	s := schema(t)
	exec(t, "CREATE TABLE "+s+".keyed (id bigint PRIMARY KEY)")
	for want, o := range map[string]rows{
		"one of Table and TableOf":                {Schema: s},
		"Upsert needs Key":                        {Schema: s, Table: "t", Mode: postgres.Upsert},
		`Types: "int; DROP" is no type`:           {Schema: s, Table: "t", Types: map[string]string{"a": "int; DROP"}},
		"has the primary key (id)":                {Schema: s, Table: "keyed", Key: []string{"other"}, Mode: postgres.Upsert},
		"does not exist, and Options.FixedTables": {Schema: s, Table: "t", FixedTables: true},
		"schema \"" + s + "x\" does not exist":    {Schema: s + "x", Table: "t", FixedTables: true},
	} {
		o.URL = secret.New(server)
		err := postgres.New(o).Connect(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestConnectNamesTheMissingPermission grants the permissions of each kind of sink one after the other: each error names the next one, and the
// last grant lets the sink write a row.
func TestConnectNamesTheMissingPermission(t *testing.T) {
	for name, c := range map[string]struct {
		options rows
		steps   [][2]string // an error, and the grant that mends it
	}{
		"insert": {rows{Schema: "OLD", Table: "kept", FixedTables: true}, [][2]string{
			{"the user may not use schema", "USAGE ON SCHEMA OLD"},
			{"the user lacks INSERT on table", "INSERT ON OLD.kept"},
		}},
		"upsert": {rows{Schema: "OLD", Table: "kept", FixedTables: true, Mode: postgres.Upsert, Key: []string{"__key"}}, [][2]string{
			{"the user may not use schema", "USAGE ON SCHEMA OLD"},
			{"the user lacks INSERT on table", "INSERT ON OLD.kept"},
			{"the user lacks UPDATE on table", "UPDATE ON OLD.kept"},
			{"the user lacks SELECT on table", "SELECT ON OLD.kept"},
			{"the user lacks DELETE on table", "DELETE ON OLD.kept"},
		}},
		"new table": {rows{Schema: "OLD", Table: "made"}, [][2]string{
			{"the user may not use schema", "USAGE ON SCHEMA OLD"},
			{"or define the table yourself, and set Options.FixedTables", "CREATE ON SCHEMA OLD"},
		}},
		"new schema": {rows{Schema: "NEW", Table: "made"}, [][2]string{
			{`create schema "NEW"`, "CREATE ON DATABASE CURRENT"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := schema(t)
			role := s + "_role"
			exec(t, "CREATE ROLE "+role+" LOGIN")
			t.Cleanup(func() { exec(t, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role) })
			exec(t, "CREATE TABLE "+s+`.kept ("__key" text PRIMARY KEY, "timestamp" timestamptz, n bigint)`)
			fill := strings.NewReplacer("OLD", s, "NEW", s+"_new", "CURRENT", strings.Trim(query(t, "SELECT current_database()")[0], "()"))
			o := c.options
			o.Schema = fill.Replace(o.Schema)
			o.URL = secret.New(address(t, "", "options", "-c role="+role))
			for _, step := range c.steps {
				err := postgres.New(o).Connect(t.Context())
				if want := fill.Replace(step[0]); err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got %v, want %q", err, want)
				}
				exec(t, "GRANT "+fill.Replace(step[1])+" TO "+role)
			}
			w := open(t, o)
			must(t, write(t, w, pair{"a", `{"n":1}`}))
			expect(t, `SELECT n FROM `+o.Schema+"."+o.Table, "(1)")
		})
	}
}

func TestATableThatIsDroppedIsMadeAgain(t *testing.T) {
	s := schema(t)
	w := open(t, rows{Schema: s, Table: "t", TimeColumn: postgres.NoColumn})
	must(t, write(t, w, pair{"a", `{"n":1,"m":1}`}))
	exec(t, "DROP TABLE "+s+".t")
	must(t, write(t, w, pair{"b", `{"n":2,"m":1}`}))
	exec(t, "ALTER TABLE "+s+".t DROP COLUMN m")
	must(t, write(t, w, pair{"c", `{"n":3,"m":1}`}))
	expect(t, `SELECT "__key", n, m FROM `+s+".t ORDER BY n", "(b,2,)", "(c,3,1)")
}

// TestRowsInTwoPhasesAreWrittenInTheirOrder compares both sinks on the same records: with new columns in the middle, several tables and removed rows.
func TestRowsInTwoPhasesAreWrittenInTheirOrder(t *testing.T) {
	one, two := schema(t), schema(t)
	options := func(s string) rows {
		return rows{
			URL: secret.New(server), Retry: quickly, Schema: s, Mode: postgres.Upsert, Key: []string{"__key"}, Batch: sink.BatchOptions{MaxRecords: 3},
			TableOf: func(r *weir.Record[[]byte, row.Row]) (string, error) { return "t" + string(r.Key[:1]), nil },
		}
	}
	plain := open(t, options(one))
	both := postgres.NewExactlyOnce(options(two))
	must(t, both.Connect(t.Context()))
	t.Cleanup(func() { _ = both.Close(context.Background()) })
	w, err := both.TwoPhaseWriter(t.Context(), sink.Task{Sink: "s", Now: time.Now})
	must(t, err)
	must(t, w.Recover(t.Context(), "01", nil))
	for checkpoint := range int64(5) {
		for i := range 20 {
			p := pair{fmt.Sprint(i%2, "k", (i*7+int(checkpoint))%5), fmt.Sprintf(`{"n":%d,"c%d":"x"}`, i, i%4)}
			if i%6 == 5 {
				p.value = null
			}
			must(t, plain.Add(t.Context(), p.record(t)))
			must(t, w.Add(t.Context(), p.record(t)))
		}
		must(t, plain.Flush(t.Context(), sink.Checkpoint{ID: checkpoint + 1}))
		token, err := w.Prepare(t.Context(), sink.Checkpoint{ID: checkpoint + 1, Epoch: "01"})
		must(t, err)
		for range 2 {
			must(t, w.Commit(t.Context(), token))
		}
		for _, table := range []string{"t0", "t1"} {
			all := "SELECT jsonb_strip_nulls(to_jsonb(t)) FROM %s." + table + ` AS t ORDER BY "__key"`
			expect(t, fmt.Sprintf(all, two), query(t, fmt.Sprintf(all, one))...)
		}
	}
}

func TestDefaultsOfColumnsDoNotDependOnTheOtherRowsOfABatch(t *testing.T) {
	for name, prepare := range map[string]func(tb testing.TB, s string, pairs ...pair){
		"plain": func(tb testing.TB, s string, pairs ...pair) {
			must(tb, write(tb, open(tb, rows{Schema: s, Table: "t", Mode: postgres.Upsert, Key: []string{"id"}, KeyColumn: postgres.NoColumn, TimeColumn: postgres.NoColumn}), pairs...))
		},
		"two phases": func(tb testing.TB, s string, pairs ...pair) {
			both := postgres.NewExactlyOnce(rows{URL: secret.New(server), Schema: s, Table: "t", Mode: postgres.Upsert, Key: []string{"id"}, KeyColumn: postgres.NoColumn, TimeColumn: postgres.NoColumn})
			must(tb, both.Connect(tb.Context()))
			defer both.Close(context.Background())
			w, err := both.TwoPhaseWriter(tb.Context(), sink.Task{Sink: "s"})
			must(tb, err)
			for _, p := range pairs {
				must(tb, w.Add(tb.Context(), p.record(tb)))
			}
			token, err := w.Prepare(tb.Context(), sink.Checkpoint{ID: 1, Epoch: "01"})
			must(tb, err)
			must(tb, w.Commit(tb.Context(), token))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := schema(t)
			exec(t, "CREATE TABLE "+s+".t (id int PRIMARY KEY, note text DEFAULT 'none', must text NOT NULL DEFAULT 'must', seq serial, plain int)")
			prepare(t, s, pair{"", `{"id":1,"note":"a","plain":1}`}, pair{"", `{"id":2,"must":"b"}`}, pair{"", `{"id":3,"note":"c","must":"c","plain":3}`}, pair{"", `{"id":4}`})
			prepare(t, s, pair{"", `{"id":1}`}, pair{"", `{"id":3,"note":"d"}`})
			expect(t, "SELECT id, note, must, plain FROM "+s+".t ORDER BY id", "(1,a,must,)", "(2,none,b,)", "(3,d,c,)", "(4,none,must,)")
		})
	}
}
