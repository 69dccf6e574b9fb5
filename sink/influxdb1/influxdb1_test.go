package influxdb1_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/influxdb1"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

func TestTheServerKeepsTypesAndTimes(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for name, precision := range map[string]influxdb1.Precision{"s": influxdb1.Second, "ms": influxdb1.Millisecond, "us": influxdb1.Microsecond, "ns": influxdb1.Nanosecond} {
		database := e.prefix + name
		w := influxtest.Open(t, influxdb1.New(e.address, options{Database: database, CreateDatabase: true, Measurement: "m", Precision: precision, Auth: login}))
		influxtest.Must(t, w.Add("k", map[string]any{"int": 5, "float": 1.0, "bool": true, "text": "a \"b\"\n\\", "null": nil}))
		influxtest.Must(t, w.Flush())
		kinds := map[string]string{}
		for _, s := range e.query(t, database, `SHOW FIELD KEYS FROM "m"`) {
			for _, v := range s.Values {
				kinds[fmt.Sprint(v[0])] = fmt.Sprint(v[1])
			}
		}
		if diff := cmp.Diff(map[string]string{"int": "integer", "float": "float", "bool": "boolean", "text": "string"}, kinds); diff != "" {
			t.Errorf("types (-want +got):\n%s", diff)
		}
		want := json.Number("1767225600001000000")
		if precision == influxdb1.Second {
			want = "1767225600000000000"
		}
		got := e.query(t, database, `SELECT "text" FROM "m"`)
		if diff := cmp.Diff([]series{{Name: "m", Values: [][]any{{want, "a \"b\"\n\\"}}}}, got); diff != "" {
			t.Errorf("%s: points (-want +got):\n%s", name, diff)
		}
	}
}

// evilPoint has a text in each place of a point.
func evilPoint(r *weir.Record[string, string]) (influxdb1.Point, error) {
	return influxdb1.Point{
		Measurement: "m" + r.Value, Tags: map[string]string{"tag": "t" + r.Value, "n" + r.Value: r.Value}, Fields: row.New(row.F("f"+r.Value, 1), row.F("text", r.Value)),
	}, nil
}

// The server reads every name and value that the sink writes as it was, and no other measurement appears.
func TestNamesAndValuesAreNeverReadAsLines(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	database := e.prefix + "evil"
	evil := []string{
		"a b", "a,b=c", "a=b", `"`, `a"b`, `C:\temp`, `\\server`, "é漢🚰", "'; DROP DATABASE x", `x" 1`, "m v=1i", "\u2028", "$1", "--", "x\nstolen v=1i 1", `a\`, `a\ b`, "", "#", "\x00", "\xff", `\" v="`, `" ,stolen="`,
	}
	points := influxtest.Open(t, influxdb1.New(e.address, influxdb1.Options[string, string]{Database: database, CreateDatabase: true, Auth: login, Retry: quickly, Point: evilPoint}))
	var want []string
	for _, text := range evil {
		if err := points.Add(text, text); err == nil {
			want = append(want, text)
		}
	}
	if len(want) < 15 {
		t.Errorf("only %q are taken", want)
	}
	influxtest.Must(t, points.Flush())
	got := map[string]bool{}
	for _, s := range e.query(t, database, "SHOW MEASUREMENTS") {
		for _, v := range s.Values {
			got[fmt.Sprint(v[0])] = true
		}
	}
	for _, text := range want {
		if !got["m"+text] {
			t.Errorf("there is no measurement %q", "m"+text)
		}
		delete(got, "m"+text)
	}
	if len(got) > 0 {
		t.Errorf("other measurements: %v", got)
	}
	found := map[string]bool{}
	for _, s := range e.query(t, database, `SELECT "text" FROM /.*/ GROUP BY "tag"`) {
		for _, v := range s.Values {
			if "m"+fmt.Sprint(v[1]) != s.Name || "t"+fmt.Sprint(v[1]) != s.Tags["tag"] {
				t.Errorf("the measurement %q has the tag %q and the text %q", s.Name, s.Tags["tag"], v[1])
			}
			found[fmt.Sprint(v[1])] = true
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d points, want %d", len(found), len(want))
	}
}

func TestPointsThatTheServerRefusesAreErrorsOfTheirRecords(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	database := e.prefix + "partial"
	w := influxtest.Open(t, influxdb1.New(e.address, options{Database: database, CreateDatabase: true, Measurement: "m", Auth: login, Retry: quickly}))
	bad := map[int]bool{3: true, 6: true, 7: true}
	for i := range 10 {
		value := map[string]any{"x": i}
		if bad[i] {
			value["x"] = "a\ntext"
		}
		influxtest.Must(t, w.Add("k", value))
	}
	refused, ok := errors.AsType[sink.RecordErrors](w.Flush())
	if !ok || len(refused) != len(bad) {
		t.Fatalf("got %v", refused)
	}
	for _, r := range refused {
		if !bad[r.Index] || !strings.Contains(r.Err.Error(), "field type conflict") {
			t.Errorf("record %d is refused: %v", r.Index, r.Err)
		}
	}
	if got := e.query(t, database, `SELECT COUNT("x") FROM "m"`); fmt.Sprint(got[0].Values[0][1]) != "7" {
		t.Errorf("%v points are written, want 7", got[0].Values[0][1])
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	database := e.prefix + `a "b" c`
	e.query(t, "", "CREATE USER "+e.prefix+"reader WITH PASSWORD '"+password+"'")
	reader := influxdb1.Basic(e.prefix+"reader", secret.New(password))
	fine := options{Database: database, CreateDatabase: true, Measurement: "m", Auth: login, Retry: quickly}
	with := func(change func(o *options)) options {
		o := fine
		change(&o)
		return o
	}
	for _, c := range []struct {
		name, address string
		options
		want string // "" is success
	}{
		{"no database", e.address, with(func(o *options) { o.CreateDatabase = false }), "database not found"},
		{"a database is made", e.address, fine, ""},
		{"it is there", e.address, fine, ""},
		{"without making it", e.address, with(func(o *options) { o.CreateDatabase = false }), ""},
		{"no administrator", e.address, with(func(o *options) { o.Auth = reader }), "make the database"},
		{"no permission to write", e.address, with(func(o *options) { o.Auth, o.CreateDatabase = reader, false }), "not authorized to write"},
		{"a wrong password", e.address, with(func(o *options) { o.Auth, o.CreateDatabase = influxdb1.Basic("weir", secret.New("another")), false }), "status 401"},
		{"an unknown precision", e.address, with(func(o *options) { o.Precision = 9 }), "Precision 9 is unknown"},
		{"nobody there", "http://127.0.0.1:1", fine, "connection refused"},
	} {
		to := influxdb1.New(c.address, c.options)
		secrettest.Hidden(t, to, password)
		err := to.Connect(t.Context())
		if err == nil {
			influxtest.Must(t, to.Close(context.Background()))
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", c.name, err, c.want)
		}
		secrettest.Absent(t, "the error", fmt.Sprint(err), password)
	}
	defer e.gate.Answer("/ping", influxtest.Status(nethttp.StatusNoContent, "X-Influxdb-Version", "v3.4.1"))()
	if err := influxdb1.New(e.gate.URL, fine).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "is not of version 1") {
		t.Errorf("version 3: %v", err)
	}
}

func TestTheLaterOfTwoPointsWithOneNameStays(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	database := e.prefix + "twice"
	for range 2 { // the second time as after a crash
		w := influxtest.Open(t, influxdb1.New(e.address, options{
			Database: database, CreateDatabase: true, Measurement: "m", Precision: influxdb1.Second, Tags: []string{"tag"}, Auth: login,
		}))
		influxtest.Must(t, w.Add("k", map[string]any{"tag": "a", "x": 1}))
		influxtest.Must(t, w.Add("k", map[string]any{"tag": "a", "x": 2}))
		influxtest.Must(t, w.Flush())
	}
	want := []series{{Name: "m", Values: [][]any{{json.Number("1767225600000000000"), json.Number("2")}}}}
	if diff := cmp.Diff(want, e.query(t, database, `SELECT "x" FROM "m"`)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}
