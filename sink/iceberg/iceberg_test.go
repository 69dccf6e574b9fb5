package iceberg_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/iceberg"
)

func sorted(rows []string) []string {
	slices.Sort(rows)
	return rows
}

func TestColumnsComeWithTheRows(t *testing.T) {
	w := newWarehouse(t)
	o := w.options("grows")
	o.Types = map[string]string{"price": "decimal(8,2)", "small": "int", "born": "date"}
	p := open(t, o)
	p.write(`{"n":1,"price":"19.99","born":"2001-02-03"}`, `{"n":2,"s":"é","small":7}`)
	p.write(
		`{"f":1,"flags":[],"o":{"a":1}}`,
		`{"f":0.5,"flags":[true,null],"o":{"b":["x"]},"big":123456789012345678901}`,
		`{"small":3000000000}`, // wider than an int
		`{"o":{"a":2,"c":{"d":false}},"n":null}`,
	)
	want := map[string]string{
		"_timestamp": "timestamptz", "_key": "string", "born": "date", "price": "decimal(8, 2)", "small": "long", "n": "long", "s": "string", "f": "double",
		"o":     "struct<14: a: optional long, 15: b: optional list<string>, 17: c: optional struct<18: d: optional boolean>>",
		"flags": "list<boolean>", "big": "decimal(38, 0)",
	}
	got := typesOf(w.table(t, "grows").Schema())
	if strings.HasPrefix(got["o"], "struct<") { // the IDs of nested columns are those that iceberg-go gives them
		want["o"] = got["o"]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	all := strings.Join(w.rows(t, "grows"), "\n")
	for _, part := range []string{
		`"n":1`, `"price":"19.99"`, `"born":"2001-02-03"`, `"s":"é"`, `"small":7`, `"small":3000000000`, `"f":1,`, `"f":0.5`, `"flags":[true,null]`,
		`"o":{"a":1,"b":null,"c":null}`, `"o":{"a":null,"b":["x"],"c":null}`, `"o":{"a":2,"b":null,"c":{"d":false}}`, `"big":"123456789012345678901"`,
	} {
		if !strings.Contains(all, part) {
			t.Errorf("no row has %s:\n%s", part, all)
		}
	}
}

func TestRowsThatDoNotFitAreRefusedByTheNamesOfTheirColumns(t *testing.T) {
	w := newWarehouse(t)
	o := w.options("strict")
	o.Types = map[string]string{"price": "decimal(8,2)", "at": "timestamptz"}
	p := open(t, o)
	p.write(`{"n":1,"s":"x","o":{"a":1},"l":[1]}`)
	for text, want := range map[string]string{
		`{"n":"x"}`:             `column "n": the value is a string, and the column is a long`,
		`{"n":1.5}`:             `column "n": the value is a float, and the column is a long`,
		`{"s":1}`:               `column "s": the value is a integer, and the column is a string`,
		`{"o":{"a":true}}`:      `column "o": "a": the value is a bool, and the column is a long`,
		`{"o":1}`:               `column "o": the value is a integer`,
		`{"l":[1,"x"]}`:         `column "l": element 1: the value is a string`,
		`{"price":"much"}`:      `column "price": the value is a string, and the column is a decimal(8, 2)`,
		`{"price":1234567.5}`:   `column "price"`,
		`{"at":"yesterday"}`:    `column "at": the value is a string, and the column is a timestamptz`,
		`{"a.b":1}`:             `column "a.b": a dot`,
		`{"":1}`:                `the name of a column is empty`,
		`{"new":[1,"x"]}`:       `column "new": element 1`,
		`{"o":{"x":{"y.z":1}}}`: `column "y.z": a dot`,
	} {
		if err := p.add(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, and not %q", text, err, want)
		}
	}
	o.FixedTable = true
	fixed := open(t, o)
	if err := fixed.add(`{"other":1}`); err == nil || !strings.Contains(err.Error(), `the table has no column "other"`) {
		t.Errorf("a column that may not be added: %v", err)
	}
	fixed.write(`{"n":2}`)
	if got := w.rows(t, "strict"); len(got) != 2 {
		t.Errorf("the table has the rows %v", got)
	}
}

// Two tasks see a column for the first time, with values that no column can have both.
func TestATaskThatIsLateRefusesItsRowsAndKeepsOthers(t *testing.T) {
	w := newWarehouse(t)
	first, second := open(t, w.options("race")), open(t, w.options("race"))
	second.addAll(`{"x":"text","n":1}`, `{"n":2}`, `{"x":"more"}`)
	first.write(`{"x":1}`)
	_, err := second.Prepare(t.Context(), second.checkpoint())
	refused, ok := errors.AsType[sink.RecordErrors](err)
	if !ok || len(refused) != 2 || refused[0].Origin.Offset != 0 || refused[1].Origin.Offset != 2 || !strings.Contains(err.Error(), `column "x"`) {
		t.Fatalf("the error is %v", err)
	}
	second.commit(second.prepare())
	const at = `"_timestamp":"2026-01-01T00:00:00Z",`
	want := []string{`{"_key":"k0",` + at + `"n":null,"x":1}`, `{"_key":"k1",` + at + `"n":2,"x":null}`}
	if diff := cmp.Diff(want, sorted(w.rows(t, "race"))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestATableIsDividedAndItsFilesAreBounded(t *testing.T) {
	w := newWarehouse(t)
	o := w.options("divided")
	o.Types = map[string]string{"zip": "string", "at": "timestamptz", "country": "string"}
	o.PartitionBy = []string{"country", "bucket(2, _key)", "truncate(1, zip)", "month(at)"}
	o.Properties = map[string]string{"write.metadata.delete-after-commit.enabled": "true"}
	p := open(t, o)
	p.write(`{"country":"DE","zip":"10","at":"2026-01-02T03:04:05Z"}`, `{"country":"FR","zip":"20","at":"2026-02-02T03:04:05Z"}`, `{"zip":"20"}`, `{"country":"../a b/é=%2F"}`)
	spec := w.table(t, "divided").Spec()
	want := []string{"country", "_key_bucket", "zip_truncate", "at_month"}
	var names []string
	for _, f := range spec.Fields() {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	files := w.files(t, "divided")
	if all := strings.Join(files, "\n"); len(files) != 4 || !strings.Contains(all, "/country=DE/") || strings.Contains(all, "/../") {
		t.Errorf("the data files are %v", files)
	}
	if len(w.rows(t, "divided")) != 4 {
		t.Error("not all rows are there")
	}

	o = w.options("bounded")
	o.FileBytes = 64 << 10
	p = open(t, o)
	for i := range 30_000 {
		p.addAll(fmt.Sprintf(`{"n":%d,"s":"%x"}`, i, i*7919))
	}
	p.commit(p.prepare())
	if n := len(w.files(t, "bounded")); n < 2 || n > 40 {
		t.Errorf("30,000 rows are in %d files", n)
	}
	p.write(`{"n":1}`, `{"n":2}`, `{"n":3}`)
	if works := w.works(t, "bounded"); len(works) != 2 || works[0] == works[1] {
		t.Errorf("two checkpoints made the works %v", works)
	}
}

// files returns the paths of the data files of a table.
func (w *warehouse) files(tb testing.TB, name string) (paths []string) {
	tb.Helper()
	tasks, err := w.table(tb, name).Scan().PlanFiles(tb.Context())
	must(tb, err)
	for _, task := range tasks {
		paths = append(paths, task.File.FilePath())
	}
	return paths
}

// The answer of a commit is lost, so that nobody knows whether it has happened.
func TestACommitWithoutAnAnswerHappensOnce(t *testing.T) {
	w := newWarehouse(t)
	gate := gatetest.New(t, w.URI)
	o := w.options("lost")
	near := w.REST
	near.URI = gate.URL
	o.Catalog = near.Open
	p := open(t, o)
	p.write(`{"n":1}`)
	p.addAll(`{"n":2}`)
	token := p.prepare()
	var cut atomic.Int64
	end := gate.Answer("/tables/lost", func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && cut.Add(1) == 1 {
			gate.ForwardCut(rw, r, 20)
			return
		}
		gate.Forward(rw, r)
	})
	p.commit(token)
	end()
	if n := cut.Load(); n != 1 {
		t.Errorf("%d commits were sent", n)
	}
	if got := w.rows(t, "lost"); len(got) != 2 {
		t.Errorf("the table has the rows %v", got)
	}
	// A restart with the token: this process knows nothing of the commit.
	open(t, o, token).commit(token)
	if works := w.works(t, "lost"); len(works) != 2 {
		t.Errorf("the snapshots have the works %v", works)
	}
}

// Writers of other programs change the table between each preparation and its commit.
func TestConflictsWithOtherWritersAreResolved(t *testing.T) {
	w := newWarehouse(t)
	p := open(t, w.options("busy"))
	for i := range 3 {
		p.addAll(fmt.Sprintf(`{"n":%d}`, i))
		token := p.prepare()
		other := w.table(t, "busy").NewTransaction()
		must(t, other.SetProperties(client.Properties{"other": fmt.Sprint(i)}))
		must(t, other.UpdateSchema(true, false).AddColumn([]string{fmt.Sprint("c", i)}, client.PrimitiveTypes.String, "", false, nil).Commit())
		_, err := other.Commit(t.Context())
		must(t, err)
		p.commit(token)
	}
	var at sync.WaitGroup
	for range 4 {
		q := open(t, w.options("busy"))
		at.Go(func() {
			for range 3 {
				q.addAll(`{"n":9}`)
				token, err := q.Prepare(t.Context(), q.checkpoint())
				if err == nil {
					err = q.Commit(t.Context(), token)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	at.Wait()
	if got := w.rows(t, "busy"); len(got) != 3+4*3 {
		t.Errorf("the table has %d rows: %v", len(got), got)
	}
}

func TestPreparedFilesThatAreGoneAreAnError(t *testing.T) {
	w := newWarehouse(t)
	p := open(t, w.options("gone"))
	p.write(`{"n":1}`)
	p.addAll(`{"n":2}`)
	token := p.prepare()
	// The cleaning of a table deletes every file that no snapshot has.
	_, err := w.table(t, "gone").DeleteOrphanFiles(t.Context(), table.WithFilesOlderThan(0))
	must(t, err)
	err = open(t, w.options("gone"), token).Commit(t.Context(), token)
	if err == nil || !strings.Contains(err.Error(), "the prepared files are gone") {
		t.Errorf("the error is %v", err)
	}
	if err := w.catalog.(interface {
		PurgeTable(ctx context.Context, identifier table.Identifier) error
	}).PurgeTable(t.Context(), table.Identifier{namespace, "gone"}); err != nil {
		must(t, w.catalog.DropTable(t.Context(), table.Identifier{namespace, "gone"}))
	}
	err = open(t, w.options("gone"), token).Commit(t.Context(), token)
	if err == nil || !strings.Contains(err.Error(), "it was made anew") {
		t.Errorf("with another table the error is %v", err)
	}
}

// The snapshot of a commit has expired when the token is committed again, with its manifest and, after a crash at the worst moment, without.
func TestATokenIsFoundWhenItsSnapshotHasExpired(t *testing.T) {
	w := newWarehouse(t)
	p := open(t, w.options("expired"))
	p.write(`{"n":1}`)
	p.addAll(`{"n":2}`)
	token := p.prepare()
	var named struct{ Manifest string }
	must(t, json.Unmarshal(token, &named))
	store, err := w.table(t, "expired").FS(t.Context())
	must(t, err)
	in, err := store.Open(named.Manifest)
	must(t, err)
	manifest, err := io.ReadAll(in)
	must(t, errors.Join(err, in.Close()))
	p.commit(token)
	p.write(`{"n":3}`)
	tx := w.table(t, "expired").NewTransaction()
	must(t, tx.ExpireSnapshots(table.WithRetainLast(1), table.WithOlderThan(0)))
	_, err = tx.Commit(t.Context())
	must(t, err)
	if works := w.works(t, "expired"); len(works) != 1 {
		t.Fatalf("the table has the works %v", works)
	}
	open(t, w.options("expired"), token).commit(token)
	must(t, store.(icebergio.WriteFileIO).WriteFile(named.Manifest, manifest))
	open(t, w.options("expired"), token).commit(token)
	if got := w.rows(t, "expired"); len(got) != 3 {
		t.Errorf("the table has the rows %v", got)
	}
}

// A checkpoint that was given up leaves no files, once the next one has committed.
func TestWorkThatWasGivenUpIsRemoved(t *testing.T) {
	w := newWarehouse(t)
	p := open(t, w.options("given_up"))
	p.addAll(`{"n":1}`)
	p.prepare()
	p.Discard()
	p.write(`{"n":2}`)
	plan, err := w.table(t, "given_up").PlanOrphanFiles(t.Context(), table.WithFilesOlderThan(0))
	must(t, err)
	for _, path := range plan.Files() {
		if !strings.HasSuffix(path, ".metadata.json") {
			t.Errorf("%s is left", path)
		}
	}
	if got := w.rows(t, "given_up"); len(got) != 1 {
		t.Errorf("the table has the rows %v", got)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	w := newWarehouse(t)
	there := w.options("there")
	there.PartitionBy = []string{"day(_timestamp)"}
	open(t, there)
	for name, c := range map[string]struct {
		change func(o *options)
		want   []string
		is     error
	}{
		"no catalog":             {func(o *options) { o.Catalog = nil }, []string{"Catalog is nil"}, weir.ErrConfiguration},
		"no namespace":           {func(o *options) { o.Table = "orders" }, []string{`"orders"`, "a namespace and a name"}, weir.ErrConfiguration},
		"a missing namespace":    {func(o *options) { o.Table = "nowhere.orders" }, []string{"nowhere.orders", "make the namespace"}, catalog.ErrNoSuchNamespace},
		"a missing table":        {func(o *options) { o.Table, o.FixedTable = "shop.missing", true }, []string{"shop.missing", "FixedTable"}, catalog.ErrNoSuchTable},
		"an unknown type":        {func(o *options) { o.Types = map[string]string{"a": "number"} }, []string{`"number" is no type`}, weir.ErrConfiguration},
		"an unknown transform":   {func(o *options) { o.PartitionBy = []string{"week(_timestamp)"} }, []string{`"week(_timestamp)" is no transform`}, weir.ErrConfiguration},
		"a column without type":  {func(o *options) { o.PartitionBy = []string{"country"} }, []string{`give the type of column "country"`}, weir.ErrConfiguration},
		"a day of a text":        {func(o *options) { o.PartitionBy = []string{"day(_key)"} }, []string{`column "_key" is a string`}, weir.ErrConfiguration},
		"another division":       {func(o *options) { o.PartitionBy = []string{"_key"} }, []string{`divided by ["day(_timestamp)"]`, `says ["_key"]`}, weir.ErrConfiguration},
		"another type":           {func(o *options) { o.Types = map[string]string{"_key": "binary"} }, []string{`"_key"`, "has to be string"}, weir.ErrConfiguration},
		"a negative number":      {func(o *options) { o.HoldBytes = -1 }, []string{"HoldBytes"}, weir.ErrConfiguration},
		"no address":             {func(o *options) { o.Catalog = iceberg.REST{}.Open }, []string{"the URI of the catalog is missing"}, weir.ErrConfiguration},
		"half of the keys":       {func(o *options) { r := w.REST; r.S3SecretKey = secret.New(""); o.Catalog = r.Open }, []string{"S3AccessKey and S3SecretKey"}, weir.ErrConfiguration},
		"nobody listens":         {func(o *options) { r := w.REST; r.URI = "http://127.0.0.1:1"; o.Catalog = r.Open }, []string{"connection refused", "attempt 3"}, nil},
		"a wrong key":            {func(o *options) { r := w.REST; r.Secret = secret.New("another"); o.Catalog = r.Open }, []string{"open the catalog"}, nil},
		"no permission to write": {func(o *options) { r := w.REST; r.S3AccessKey = "reader"; o.Catalog = r.Open }, []string{"files cannot be written"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.options("there")
			c.change(&o)
			err := iceberg.New(o).Connect(t.Context())
			if err == nil {
				t.Fatal("Connect succeeds")
			}
			for _, want := range append(c.want, "sink/iceberg: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %v, without %q", err, want)
				}
			}
			if c.is != nil && !errors.Is(err, c.is) || strings.Contains(err.Error(), password) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestATaskAsksForACheckpointWhenItHoldsMuch(t *testing.T) {
	w := newWarehouse(t)
	o := w.options("full")
	o.HoldBytes, o.MaxAge = 10_000, time.Hour
	now := time.Unix(0, 0)
	s := iceberg.New(o)
	must(t, s.Connect(t.Context()))
	defer s.Close(t.Context())
	p, err := s.TwoPhaseWriter(t.Context(), sink.Task{Now: func() time.Time { return now }})
	must(t, err)
	add := func(text string) {
		must(t, p.Add(t.Context(), &weir.Record[*string, row.Row]{KeyNull: true, Value: row.New(row.F("s", text)), Origin: &weir.Origin{}}))
	}
	add("a")
	if p.Full() {
		t.Error("one row asks for a checkpoint")
	}
	now = now.Add(time.Hour)
	if !p.Full() {
		t.Error("an old row asks for no checkpoint")
	}
	p.Discard()
	if p.Full() {
		t.Error("no row asks for a checkpoint")
	}
	add(strings.Repeat("x", 10_000))
	if !p.Full() {
		t.Error("a large row asks for no checkpoint")
	}
}
