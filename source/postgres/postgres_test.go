package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/postgres"
	"github.com/weirstreams/weir/source/sourcetest"
)

var server = os.Getenv("WEIR_TEST_POSTGRES")

// schema makes an empty schema, which goes away with the test, with the slots and publications that begin with its name.
func schema(tb testing.TB) string {
	tb.Helper()
	if server == "" {
		tb.Skip("needs a PostgreSQL with wal_level logical: go run github.com/weirstreams/weir/internal/testserver postgres -- go test")
	}
	name := fmt.Sprintf("weir_%d", time.Now().UnixNano())
	db := connect(tb)
	exec(tb, db, "CREATE SCHEMA "+name)
	tb.Cleanup(func() {
		exec(tb, db, "DROP SCHEMA "+name+" CASCADE")
		exec(tb, db, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND starts_with(slot_name, '"+name+"')")
		for range 50 {
			if _, err := db.Exec(context.Background(), "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE starts_with(slot_name, $1)", name); err == nil {
				break
			}
			exec(tb, db, "SELECT pg_sleep(0.1)")
		}
		exec(tb, db, "DO $$ DECLARE p text; BEGIN FOR p IN SELECT pubname FROM pg_publication WHERE starts_with(pubname, '"+name+"') LOOP EXECUTE 'DROP PUBLICATION ' || p; END LOOP; END $$")
	})
	return name
}

func connect(tb testing.TB) *pgx.Conn {
	tb.Helper()
	c, err := pgx.Connect(context.Background(), server)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func exec(tb testing.TB, db *pgx.Conn, statement string, args ...any) {
	tb.Helper()
	if _, err := db.Exec(context.Background(), statement, args...); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// entry is a row of the tables of the conformance kit.
type entry struct {
	Text  *string `json:"text"`
	Value *string `json:"value"`
}

func TestTheSourceKeepsItsPromises(t *testing.T) {
	s := schema(t)
	db := connect(t)
	password := "s3cret-of-the-source"
	options := func(place string) postgres.Options[int64, entry] {
		return postgres.Options[int64, entry]{
			URL: secret.New(server), Tables: []string{s + "." + place}, Slot: s + "_" + place, OmitUnchanged: true, ChunkRows: 100,
		}
	}
	sourcetest.Run(t, sourcetest.System[int64, entry]{
		New: func(_ testing.TB, place string) source.Source[int64, entry] { return postgres.New(options(place)) },
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			exec(tb, db, "CREATE TABLE IF NOT EXISTS "+s+"."+place+" (id bigserial PRIMARY KEY, text text, value text)")
			rows := make([][]any, len(items))
			for i, item := range items {
				key, value := item.Pointers()
				rows[i] = []any{key, value}
			}
			if _, err := db.CopyFrom(context.Background(), pgx.Identifier{s, place}, []string{"text", "value"}, pgx.CopyFromRows(rows)); err != nil {
				tb.Fatal(err)
			}
		},
		Item: func(r weir.Record[int64, entry]) sourcetest.Item {
			return sourcetest.OfPointers(r.Value.Text, r.Value.Value)
		},
		Once:    true,
		Grows:   true,
		Secrets: []string{password},
		Unreachable: func(testing.TB) source.Source[int64, entry] {
			o := options("nowhere")
			o.URL, o.ConnectTimeout = secret.New("postgres://weir:"+password+"@127.0.0.1:1/nowhere"), time.Second
			return postgres.New(o)
		},
	})
}

// process is a reader with its source.
type process[K, V any] struct {
	tb     testing.TB
	source source.Source[K, V]
	reader source.Reader[K, V]
	at     []byte
}

func start[K, V any](tb testing.TB, o postgres.Options[K, V], at []byte) *process[K, V] {
	tb.Helper()
	o.URL = secret.New(server)
	p := &process[K, V]{tb: tb, source: postgres.New(o), at: at}
	if err := p.source.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	p.open()
	return p
}

// open opens a reader at the last position. The server may take the last one for alive for a moment.
func (p *process[K, V]) open() {
	p.tb.Helper()
	var err error
	for range 100 {
		task := source.Task{Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
		if p.reader, err = p.source.Open(p.tb.Context(), task, source.Split{}, p.at); err == nil {
			return
		}
		var later *weir.RetryLaterError
		if !errors.As(err, &later) {
			break
		}
		exec(p.tb, connect(p.tb), "SELECT pg_sleep(0.05)")
	}
	p.tb.Fatal(err)
}

func (p *process[K, V]) close() {
	if err := p.reader.Close(); err != nil {
		p.tb.Error(err)
	}
}

// read reads one batch.
func (p *process[K, V]) read() ([]weir.Record[K, V], error) {
	p.tb.Helper()
	var b source.Batch[K, V]
	b.Reset()
	err := p.reader.Read(p.tb.Context(), &b)
	if err == nil || err == io.EOF {
		p.at = append([]byte(nil), b.Position...)
	}
	return b.Records, err
}

// until reads until enough reports true.
func (p *process[K, V]) until(enough func(records []weir.Record[K, V]) bool) (all []weir.Record[K, V]) {
	p.tb.Helper()
	for {
		records, err := p.read()
		if err != nil {
			p.tb.Fatal(err)
		}
		if all = append(all, records...); enough(all) {
			return all
		}
	}
}

type rowRecord = weir.Record[row.Row, row.Row]

func text(r rowRecord) string {
	value := "null"
	if !r.ValueNull {
		value = r.Value.String()
	}
	return r.Key.String() + " " + value
}

func TestValuesKeepTheirTypesInTheSnapshotAndTheLog(t *testing.T) {
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+`.t (id int PRIMARY KEY, i8 bigint, f double precision, b bool, n numeric(30,5), s text, j jsonb, ts timestamp, tz timestamptz, d date, u uuid, a int[], raw bytea);
		ALTER TABLE `+s+`.t REPLICA IDENTITY FULL`)
	insert := "INSERT INTO " + s + `.t VALUES ($1, 9007199254740993, 0.1, true, 1.10000, 'é"', '{"a":[1,2.0,null]}', '2025-01-02 03:04:05.678', '2025-01-02 03:04:05+02', '2025-01-02',
		'00000000-0000-0000-0000-000000000001', '{1,2}', '\x00ff')`
	exec(t, db, insert, 1)
	exec(t, db, "INSERT INTO "+s+".t (id, f) VALUES (2, 'NaN')")
	p := start(t, postgres.Options[row.Row, row.Row]{Tables: []string{s + ".t"}, Slot: s}, nil)
	defer p.close()
	got := p.until(func(r []rowRecord) bool { return len(r) == 2 })
	exec(t, db, insert, 3)
	exec(t, db, "UPDATE "+s+".t SET s = repeat('long ', 10000), id = 4 WHERE id = 3")
	exec(t, db, "UPDATE "+s+".t SET b = false WHERE id = 4")
	exec(t, db, "DELETE FROM "+s+".t WHERE id = 4")
	got = append(got, p.until(func(r []rowRecord) bool { return len(r) == 5 })...)
	all := func(id int, b bool, s string) string {
		return fmt.Sprintf(`{"id":%d} {"id":%d,"i8":9007199254740993,"f":0.1,"b":%v,"n":"1.10000","s":%s,"j":{"a":[1,2.0,null]},"ts":"2025-01-02T03:04:05.678","tz":"2025-01-02T01:04:05Z",`+
			`"d":"2025-01-02","u":"00000000-0000-0000-0000-000000000001","a":"{1,2}","raw":"\\x00ff"}`, id, id, b, s)
	}
	long := `"` + strings.Repeat("long ", 10000) + `"`
	want := []string{
		all(1, true, `"é\""`), `{"id":2} {"id":2,"i8":null,"f":null,"b":null,"n":null,"s":null,"j":null,"ts":null,"tz":null,"d":null,"u":null,"a":null,"raw":null}`,
		all(3, true, `"é\""`), `{"id":3} null`, all(4, true, long), all(4, false, long), `{"id":4} null`,
	}
	var texts []string
	for _, r := range got {
		texts = append(texts, text(r))
		if age := time.Since(r.Time()); age < -time.Minute || age > time.Minute {
			t.Errorf("%s has the time %v", text(r), r.Time())
		}
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestASnapshotAloneEnds(t *testing.T) {
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".a (x text, y int, PRIMARY KEY (y, x)); CREATE TABLE "+s+".b (id int PRIMARY KEY); CREATE TABLE "+s+".c (id int PRIMARY KEY)")
	exec(t, db, "INSERT INTO "+s+".a SELECT 'x' || n, n % 3 FROM generate_series(1, 10) AS n; INSERT INTO "+s+".c SELECT generate_series(1, 4)")
	p := start(t, postgres.Options[row.Row, row.Row]{Tables: []string{s + ".a", s + ".b", s + ".c"}, SnapshotOnly: true, ChunkRows: 4}, nil)
	var got []string
	for {
		records, err := p.read()
		for _, r := range records {
			got = append(got, r.Key.String())
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p.close()
		p.open() // at the position
	}
	p.close()
	if len(got) != 14 || got[0] != `{"y":0,"x":"x3"}` || got[13] != `{"id":4}` {
		t.Errorf("got %v", got)
	}
}

func TestConnectSaysWhatIsMissing(t *testing.T) {
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".nokey (id int); CREATE TABLE "+s+".long (id int PRIMARY KEY, note text); CREATE TABLE "+s+".ok (id int PRIMARY KEY); "+
		"CREATE TABLE "+s+".other (id int PRIMARY KEY); CREATE PUBLICATION "+s+"_other FOR TABLE "+s+".other; CREATE PUBLICATION "+s+"_half FOR TABLE "+s+".ok WITH (publish = 'insert')")
	exec(t, db, "SELECT pg_create_logical_replication_slot($1, 'test_decoding')", s+"_foreign")
	type options = postgres.Options[row.Row, row.Row]
	for want, o := range map[string]options{
		"Tables is empty":                     {Slot: s},
		`Slot "No": up to 63`:                 {Tables: []string{s + ".ok"}, Slot: "No"},
		"is twice in Tables":                  {Tables: []string{"a", "public.a"}, Slot: s},
		"does not exist":                      {Tables: []string{s + ".missing"}, Slot: s},
		"has no primary key":                  {Tables: []string{s + ".nokey"}, Slot: s},
		"REPLICA IDENTITY FULL":               {Tables: []string{s + ".long"}, Slot: s},
		`does not have table ` + s + `.ok`:    {Tables: []string{s + ".ok"}, Slot: s, Publication: s + "_other"},
		"leaves changes out":                  {Tables: []string{s + ".ok"}, Slot: s, Publication: s + "_half"},
		`it has the plugin "test_decoding"`:   {Tables: []string{s + ".ok"}, Slot: s + "_foreign"},
		"SnapshotOnly and NoSnapshot exclude": {Tables: []string{s + ".ok"}, SnapshotOnly: true, NoSnapshot: true},
	} {
		o.URL = secret.New(server)
		if err := postgres.New(o).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestASlotThatIsGoneIsLostInput(t *testing.T) {
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".t (id int PRIMARY KEY); INSERT INTO "+s+".t VALUES (1)")
	o := postgres.Options[int32, row.Row]{Tables: []string{s + ".t"}, Slot: s}
	p := start(t, o, nil)
	p.until(func(r []weir.Record[int32, row.Row]) bool { return len(r) == 1 })
	p.close()
	exec(t, db, "SELECT pg_drop_replication_slot($1)", s)
	_, err := p.source.Open(t.Context(), source.Task{Now: time.Now, Logger: slog.Default()}, source.Split{}, p.at)
	if err == nil || !strings.Contains(err.Error(), "changes since the last commit") || !errors.Is(err, weir.ErrLostInput) {
		t.Errorf("got %v", err)
	}
}

func TestChangesThatTheServerLeavesOutAreLostInput(t *testing.T) {
	for name, c := range map[string]struct{ statement, want string }{
		"publication":     {"DROP PUBLICATION %[2]s", "is gone"},
		"table":           {"DROP TABLE %[1]s", "does not have table"},
		"table left out":  {"ALTER PUBLICATION %[2]s SET TABLE %[1]s_other", "does not have table"},
		"kind of change":  {"ALTER PUBLICATION %[2]s SET (publish = 'insert')", "leaves changes out"},
		"identity":        {"ALTER TABLE %[1]s REPLICA IDENTITY DEFAULT; UPDATE %[1]s SET n = 2", `lacks the large value of column "large"`},
		"while it is off": {"DROP PUBLICATION %[2]s", "is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := schema(t)
			db := connect(t)
			exec(t, db, fmt.Sprintf("CREATE TABLE %[1]s.t (id int PRIMARY KEY, n int, large text); ALTER TABLE %[1]s.t REPLICA IDENTITY FULL; ALTER TABLE %[1]s.t ALTER COLUMN large SET STORAGE EXTERNAL; "+
				"CREATE TABLE %[1]s.t_other (id int PRIMARY KEY); INSERT INTO %[1]s.t VALUES (1, 1, repeat('x', 10000))", s))
			p := start(t, postgres.Options[int32, row.Row]{Tables: []string{s + ".t"}, Slot: s}, nil)
			p.until(func(r []weir.Record[int32, row.Row]) bool { return len(r) == 1 })
			if _, err := p.read(); err != nil { // the log, from here on
				t.Fatal(err)
			}
			exec(t, db, fmt.Sprintf(c.statement, s+".t", s))
			var err error
			if name == "while it is off" {
				p.close()
				if err = p.source.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				_, err = p.source.Open(t.Context(), source.Task{Now: time.Now, Logger: slog.Default()}, source.Split{}, p.at)
			} else {
				defer p.close()
				for range 20 { // 500 ms each
					if _, err = p.read(); err != nil {
						break
					}
				}
			}
			if !errors.Is(err, weir.ErrLostInput) || !strings.Contains(err.Error(), c.want) || !permanently(err) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// permanently reports whether an error is not tried again.
func permanently(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}

func TestAServerThatHasDeletedItsLogIsNotAskedAgain(t *testing.T) {
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".t (id int PRIMARY KEY); INSERT INTO "+s+".t VALUES (1); CREATE TABLE "+s+".junk (t text)")
	p := start(t, postgres.Options[int32, row.Row]{Tables: []string{s + ".t"}, Slot: s}, nil)
	p.until(func(r []weir.Record[int32, row.Row]) bool { return len(r) == 1 })
	p.close()
	exec(t, db, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
	exec(t, db, "SELECT pg_reload_conf()")
	defer func() {
		exec(t, db, "ALTER SYSTEM RESET max_slot_wal_keep_size")
		exec(t, db, "SELECT pg_reload_conf()")
	}()
	lost := false
	for i := 0; i < 50 && !lost; i++ {
		exec(t, db, "INSERT INTO "+s+".junk SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
		exec(t, db, "SELECT pg_switch_wal()")
		exec(t, db, "CHECKPOINT")
		if err := db.QueryRow(t.Context(), "SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = $1", s).Scan(&lost); err != nil {
			t.Fatal(err)
		}
	}
	_, err := p.source.Open(t.Context(), source.Task{Now: time.Now, Logger: slog.Default()}, source.Split{}, p.at)
	if !errors.Is(err, weir.ErrLostInput) || !permanently(err) {
		t.Errorf("got %v", err)
	}
}
