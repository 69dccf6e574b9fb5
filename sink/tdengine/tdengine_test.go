package tdengine_test

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
	"github.com/weirstreams/weir/sink/tdengine"
)

func TestValuesBecomePoints(t *testing.T) {
	t.Parallel()
	for precision, want := range map[tdengine.Precision]struct {
		name string
		time int64
	}{
		tdengine.Second: {"s", 1767225600}, tdengine.Millisecond: {"ms", 1767225600001},
		tdengine.Microsecond: {"u", 1767225600001000}, tdengine.Nanosecond: {"ns", 1767225600001000000},
	} {
		for _, auth := range []tdengine.Auth{login, tdengine.Token(secret.New(password))} {
			server := newFake(t)
			w := influxtest.Open(t, tdengine.New(server.URL, tdengine.Options[string, reading]{
				Database: "db", CreateDatabase: true, Measurement: "r", Tags: []string{"sensor"}, Precision: precision, Auth: auth,
				Subtable: func(r *weir.Record[string, reading]) (string, error) { return "of " + r.Key, nil },
			}))
			influxtest.Must(t, w.Add("k", reading{"a b", 1, 2}))
			influxtest.Must(t, w.Flush())
			points := []*influxtest.Point{{
				Measurement: "r", Tags: map[string]string{"sensor": "a b", "__subtable": "of k"},
				Fields: map[string]any{"degrees": 1.0, "messages": int64(2)}, Time: want.time,
			}}
			if diff := cmp.Diff(points, server.Points("db")); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
			if server.precision != want.name {
				t.Errorf("the precision of the request is %q, want %q", server.precision, want.name)
			}
		}
	}
}

func TestPointsNameTheirTable(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	w := influxtest.Open(t, tdengine.New(server.URL, tdengine.Options[string, number]{Database: "db", CreateDatabase: true, Point: numberPoint, Auth: login}))
	influxtest.Must(t, w.Add("k", 7))
	influxtest.Must(t, w.Flush())
	want := map[string]string{"__subtable": "of_k", "key": "k", "number": "7"}
	if points := server.Points("db"); len(points) != 1 || cmp.Diff(want, points[0].Tags) != "" {
		t.Errorf("the points are %v", points)
	}
}

func TestRecordsThatAreNoPointsAreRefused(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	no := errors.New("no name")
	for want, c := range map[string]struct {
		options
		value map[string]any
	}{
		"no name":            {options{Subtable: func(*weir.Record[string, map[string]any]) (string, error) { return "", no }}, map[string]any{"x": 1}},
		`has the name "_ts"`: {options{}, map[string]any{"_ts": 1}},
		"control character":  {options{Subtable: func(*weir.Record[string, map[string]any]) (string, error) { return "a\nb", nil }}, map[string]any{"x": 1}},
	} {
		o := c.options
		o.Database, o.CreateDatabase, o.Measurement, o.Auth = "refused", true, "m", login
		w := influxtest.Open(t, tdengine.New(server.URL, o))
		if err := w.Add("k", c.value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
	w := influxtest.Open(t, tdengine.New(server.URL, options{Database: "db", CreateDatabase: true, Measurement: "m", Auth: login}))
	influxtest.Must(t, w.Add("k", map[string]any{"time": 1})) // a name that other servers keep for themselves
}

// The adapter answers with one status to everything that the server says no to.
func TestTheCodeOfAFailureDecides(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	for message, want := range map[string]string{
		"[0x3002] Invalid data format":           "refused",
		"[0x3004] Not the same type":             "refused",
		"[0x2653] Value too long for column/tag": "refused",
		"[0x3005] Internal error":                "again",
		"[0x20b] Unable to establish connection": "again",
		"no code":                                "again",
		"[0x388] Database not exist":             "the database is gone",
		"[0x357] Authentication failure":         "the user may not write",
		"[0x350] Insufficient privilege":         "the user may not write",
	} {
		w := influxtest.Open(t, tdengine.New(server.URL, options{Database: "db", CreateDatabase: true, Measurement: "m", Auth: login, Retry: quickly}))
		influxtest.Must(t, w.Add("k", map[string]any{"x": 1}))
		end := server.During(failure(message))
		err := w.Flush()
		end()
		refused, isRefused := errors.AsType[sink.RecordErrors](err)
		_, again := errors.AsType[*weir.RetryLaterError](err)
		switch {
		case want == "refused" && !isRefused, want == "again" && !again, want != "refused" && isRefused, want != "again" && again:
			t.Errorf("%s: %v", message, err)
		case !isRefused && !again && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", message, err, want)
		}
		secrettest.Absent(t, "the error", fmt.Sprint(err, refused), password)
	}
}

func TestPointsThatTheServerRefusesAreErrorsOfTheirRecords(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	w := influxtest.Open(t, tdengine.New(server.URL, options{Database: "db", CreateDatabase: true, Measurement: "m", Tags: []string{"id"}, Auth: login, Retry: quickly}))
	for i := range 10 {
		value := map[string]any{"id": i, "x": i}
		if i == 3 || i == 7 {
			value["x"] = "text"
		}
		influxtest.Must(t, w.Add("k", value))
	}
	refused, ok := errors.AsType[sink.RecordErrors](w.Flush())
	if !ok || len(refused) != 2 || refused[0].Index != 3 || refused[1].Index != 7 || !strings.Contains(refused[0].Err.Error(), "invalid column type") {
		t.Errorf("refused: %v", refused)
	}
	if n := len(server.Points("db")); n != 8 {
		t.Errorf("%d points are written, want 8", n)
	}
}

func TestConnectSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.databases["coarse"] = "ms"
	closed := func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(nethttp.StatusNoContent) }
	for name, c := range map[string]struct {
		address string
		options
		want   string
		answer nethttp.HandlerFunc
	}{
		"no database":        {server.URL, options{Database: "none", Measurement: "m", Auth: login}, "there is no database none", nil},
		"times are finer":    {server.URL, options{Database: "coarse", Measurement: "m", Auth: login, Precision: tdengine.Nanosecond}, "keeps times in ms", nil},
		"a name with quotes": {server.URL, options{Database: "a` b", Measurement: "m", Auth: login, CreateDatabase: true}, "has a character", nil},
		"a wrong password":   {server.URL, options{Database: "coarse", Measurement: "m", Auth: tdengine.Basic("root", secret.New("wrong-"+password))}, "check Options.Auth", nil},
		"a wrong token":      {server.URL, options{Database: "coarse", Measurement: "m", Auth: tdengine.Token(secret.New("wrong &" + password))}, "check Options.Auth", nil},
		"an empty token":     {server.URL, options{Database: "coarse", Measurement: "m", Auth: tdengine.Token(secret.String{})}, "the secret of Auth is empty", nil},
		"no measurement":     {server.URL, options{Database: "coarse", Auth: login}, "one of Measurement", nil},
		"no adapter":         {server.URL, options{Database: "coarse", Measurement: "m", Auth: login}, "does not read lines", closed},
		"privileges":         {server.URL, options{Database: "coarse", Measurement: "m", Auth: login}, "the user may not write", failure("[0x350] Insufficient privilege")},
		"a host without TLS": {"http://tdengine.example.com:6041", options{Database: "coarse", Measurement: "m", Auth: tdengine.Token(secret.New(password))}, "without TLS", nil},
	} {
		end := server.During(c.answer)
		c.Retry = quickly
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := tdengine.New(c.address, c.options).Connect(ctx)
		cancel()
		end()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		secrettest.Absent(t, "the error", fmt.Sprint(err), password)
	}
}
