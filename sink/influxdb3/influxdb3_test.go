package influxdb3_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/influxdb3"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

func TestValuesBecomePoints(t *testing.T) {
	t.Parallel()
	for precision, want := range map[influxdb3.Precision]struct {
		name string
		time int64
	}{
		influxdb3.Second: {"second", 1767225600}, influxdb3.Millisecond: {"millisecond", 1767225600001},
		influxdb3.Microsecond: {"microsecond", 1767225600001000}, influxdb3.Nanosecond: {"nanosecond", 1767225600001000000},
	} {
		server := influxtest.New(t)
		w := influxtest.Open(t, influxdb3.New(server.URL, influxdb3.Options[string, reading]{
			Database: "db", Measurement: "r", Tags: []string{"sensor"}, Precision: precision, Auth: login, Gzip: true,
		}))
		influxtest.Must(t, w.Add("k", reading{"a b", 1, 2}))
		influxtest.Must(t, w.Flush())
		points := []*influxtest.Point{{Measurement: "r", Tags: map[string]string{"sensor": "a b"}, Fields: map[string]any{"degrees": 1.0, "messages": int64(2)}, Time: want.time}}
		if diff := cmp.Diff(points, server.Points("db")); diff != "" {
			t.Errorf("points (-want +got):\n%s", diff)
		}
		requests := server.Requests() // the first is the probe
		if diff := cmp.Diff(influxtest.Request{Precision: want.name, Encoding: "gzip", Lines: 1}, requests[len(requests)-1]); diff != "" {
			t.Errorf("the request (-want +got):\n%s", diff)
		}
	}
}

func TestRecordsThatAreNoPointsAreRefused(t *testing.T) {
	t.Parallel()
	server := influxtest.New(t)
	column := func(name string, value any) *weir.Record[string, map[string]any] {
		return &weir.Record[string, map[string]any]{Value: map[string]any{name: value}}
	}
	plain := options{Measurement: "m"}
	for want, c := range map[string]struct {
		options
		r *weir.Record[string, map[string]any]
	}{
		"the value is null":                     {plain, &weir.Record[string, map[string]any]{ValueNull: true}},
		"no field that is not null":             {plain, column("x", nil)},
		`no column "y"`:                         {options{Measurement: "m", Fields: []string{"y"}}, column("x", 1)},
		`the field "x": it is a list`:           {plain, column("x", []int{1})},
		"an integer of 64 bits with a sign":     {plain, column("x", uint64(math.MaxUint64))},
		`has the name "time"`:                   {plain, column("time", 1)},
		"zero byte":                             {plain, column("x", "\x00")},
		"control character":                     {plain, column("a\nb", 1)},
		`the tag "x": the text "a\\" ends with`: {options{Measurement: "m", Tags: []string{"x"}}, column("x", `a\`)},
		`the tag "x" is a row`:                  {options{Measurement: "m", Tags: []string{"x"}}, column("x", map[string]any{})},
		"begins with #":                         {options{MeasurementOf: func(*weir.Record[string, map[string]any]) (string, error) { return "#m", nil }}, column("x", 1)},
		"Options.MeasurementOf: no":             {options{MeasurementOf: func(*weir.Record[string, map[string]any]) (string, error) { return "", errors.New("no") }}, column("x", 1)},
		"is missing or null":                    {options{Measurement: "m", TimeColumn: "at"}, column("x", 1)},
		"no time as RFC 3339":                   {options{Measurement: "m", TimeColumn: "x"}, column("x", "yesterday")},
		"in the year 9999": {options{Measurement: "m", Time: func(*weir.Record[string, map[string]any]) (time.Time, error) {
			return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), nil
		}}, column("x", 1)},
		`"x" is a tag and a field`: {options{Point: func(r *weir.Record[string, map[string]any]) (influxdb3.Point, error) {
			p, err := numberPoint(&weir.Record[string, number]{Value: 1})
			p.Tags["x"], p.Fields = "x", p.Fields.With("x", 1)
			return p, err
		}}, column("x", 1)},
	} {
		o := c.options
		o.Database, o.Auth = "refused", login
		w := influxtest.Open(t, influxdb3.New(server.URL, o))
		if err := w.AddRecord(*c.r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

func TestLinesThatTheServerRefusesAreErrorsOfTheirRecords(t *testing.T) {
	t.Parallel()
	server := influxtest.New(t)
	o := options{Database: "partial", Measurement: "m", Tags: []string{"id"}, Auth: login, Retry: quickly}
	bad := map[int]bool{2: true, 5: true, 6: true}
	for name, answer := range map[string]nethttp.HandlerFunc{
		"by their lines": nil,
		"by halves": func(w nethttp.ResponseWriter, r *nethttp.Request) { // an answer that tells no lines
			recorder := httptest.NewRecorder()
			server.Write(recorder, r)
			w.WriteHeader(recorder.Code)
		},
		"by halves, as lines are wrong": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			recorder := httptest.NewRecorder()
			server.Write(recorder, r)
			w.WriteHeader(recorder.Code)
			_, _ = io.WriteString(w, `{"error":"partial write of line protocol occurred","data":[{"line_number":99,"error_message":"x"}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := influxtest.Open(t, influxdb3.New(server.URL, o))
			end := server.During(answer)
			defer end()
			influxtest.Must(t, w.Add("k", map[string]any{"id": name, "x": 1}))
			for i := 1; i < 9; i++ {
				value := map[string]any{"id": fmt.Sprint(name, i), "x": i}
				if bad[i] {
					value["x"] = "a\ntext"
				}
				influxtest.Must(t, w.Add("k", value))
			}
			refused, ok := errors.AsType[sink.RecordErrors](w.Flush())
			if !ok || len(refused) != len(bad) {
				t.Fatalf("got %v", refused)
			}
			for _, e := range refused {
				if !bad[e.Index] {
					t.Errorf("record %d is refused: %v", e.Index, e)
				}
				if answer == nil && !strings.Contains(e.Err.Error(), "invalid column type for column 'x'") {
					t.Errorf("the error is %v", e.Err)
				}
				secrettest.Absent(t, "the error", e.Err.Error(), influxtest.Token)
			}
			influxtest.Must(t, w.Flush())
			written := 0
			for _, p := range server.Points("partial") {
				if strings.HasPrefix(p.Tags["id"], name) && len(p.Tags["id"]) <= len(name)+1 {
					written++
				}
			}
			if written != 6 {
				t.Errorf("%d points are written, want 6", written)
			}
		})
	}
}

func TestBackPressureOfTheServerHoldsInput(t *testing.T) {
	t.Parallel()
	server := influxtest.New(t)
	o := options{Database: "db", Measurement: "m", Auth: login, Retry: quickly, OutageWait: 3 * time.Second}
	for name, c := range map[string]struct {
		answer nethttp.HandlerFunc
		wait   time.Duration
	}{
		"429 with a time":    {influxtest.Status(nethttp.StatusTooManyRequests, "Retry-After", "7"), 7 * time.Second},
		"429 without a time": {influxtest.Status(nethttp.StatusTooManyRequests), 0},
		"503 with a time":    {influxtest.Status(nethttp.StatusServiceUnavailable, "Retry-After", "2"), 2 * time.Second},
		"500":                {influxtest.Status(nethttp.StatusInternalServerError), 3 * time.Second},
		"no answer":          {func(nethttp.ResponseWriter, *nethttp.Request) { panic(nethttp.ErrAbortHandler) }, 3 * time.Second},
	} {
		w := influxtest.Open(t, influxdb3.New(server.URL, o))
		influxtest.Must(t, w.Add("k", map[string]any{name: 1}))
		end := server.During(c.answer)
		err := w.Flush()
		later, ok := errors.AsType[*weir.RetryLaterError](err)
		if !ok || later.RetryAfter != c.wait {
			t.Errorf("%s: %v", name, err)
		}
		secrettest.Absent(t, "the error", fmt.Sprint(err), influxtest.Token)
		end()
		influxtest.Must(t, w.Flush())
	}
	if n := len(server.Points("db")); n == 0 {
		t.Error("no point is written")
	}
}

func TestAPermissionThatIsTakenAwayEndsTheRun(t *testing.T) {
	t.Parallel()
	server := influxtest.New(t)
	w := influxtest.Open(t, influxdb3.New(server.URL, options{Database: "db", Measurement: "m", Auth: login, Retry: quickly}))
	influxtest.Must(t, w.Add("k", map[string]any{"x": 1}))
	server.During(influxtest.Status(nethttp.StatusForbidden))
	err := w.Flush()
	if err == nil || errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) || !strings.Contains(err.Error(), "check Options.Auth") {
		t.Errorf("got %v", err)
	}
	secrettest.Absent(t, "the error", fmt.Sprint(err), influxtest.Token)
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server := influxtest.New(t)
	serve := func(handler nethttp.HandlerFunc) string {
		s := httptest.NewServer(handler)
		t.Cleanup(s.Close)
		return s.URL
	}
	secure := httptest.NewTLSServer(server)
	t.Cleanup(secure.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	readOnly := serve(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Method == nethttp.MethodPost {
			influxtest.Status(nethttp.StatusForbidden)(w, r)
		}
	})
	fine := options{Database: "db", Measurement: "m", Auth: login, Retry: quickly}
	point := func(r *weir.Record[string, map[string]any]) (influxdb3.Point, error) { return influxdb3.Point{}, nil }
	with := func(change func(o *options)) options {
		o := fine
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		address string
		options
		want string // "" is success
	}{
		"all is well":            {server.URL, fine, ""},
		"no database":            {server.URL, with(func(o *options) { o.Database = "" }), "Database is empty"},
		"no measurement":         {server.URL, with(func(o *options) { o.Measurement = "" }), "one of Measurement, MeasurementOf and Point"},
		"a measurement of lines": {server.URL, with(func(o *options) { o.Measurement = "a\nb" }), "control character"},
		"a tag of time":          {server.URL, with(func(o *options) { o.Tags = []string{"time"} }), `"time"`},
		"a tag that is a field":  {server.URL, with(func(o *options) { o.Tags, o.Fields = []string{"x"}, []string{"x"} }), `"x" is in Tags and in Fields`},
		"two times": {server.URL, with(func(o *options) {
			o.TimeColumn, o.Time = "at", func(*weir.Record[string, map[string]any]) (t time.Time, err error) { return }
		}), "only one of TimeColumn and Time"},
		"points and parts of them":  {server.URL, with(func(o *options) { o.Point = point }), "does not go with"},
		"an unknown precision":      {server.URL, with(func(o *options) { o.Precision = 9 }), "Precision 9 is unknown"},
		"a negative bound":          {server.URL, with(func(o *options) { o.MaxRecords = -1 }), "MaxRecords is -1"},
		"another protocol":          {"ftp://host", fine, "neither http nor https"},
		"a password in the address": {"http://user:" + influxtest.Token + "@host", fine, "belong in Options.Auth"},
		"a query":                   {"http://host?a=" + influxtest.Token, fine, "has a query"},
		"credentials without TLS":   {"http://192.0.2.1:8181", fine, "without TLS"},
		"nobody there":              {"http://127.0.0.1:1", fine, "connection refused"},
		"a wrong token":             {server.URL, with(func(o *options) { o.Auth = influxdb3.Bearer(secret.New("another")) }), "status 401"},
		"no permission to write":    {readOnly, fine, "status 403"},
		"an old version": {serve(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("X-Influxdb-Version", "1.6.7")
		}), fine, "InfluxDB 1.6.7 has no interface of version 3"},
		"another service":      {serve(func(w nethttp.ResponseWriter, _ *nethttp.Request) {}), fine, "took a line without a field"},
		"a page":               {serve(nethttp.NotFound), fine, "check the address and Options.Database"},
		"TLS":                  {secure.URL, with(func(o *options) { o.TLS = &tls.Config{RootCAs: trusted} }), ""},
		"an unknown authority": {secure.URL, fine, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			to := influxdb3.New(c.address, c.options)
			secrettest.Hidden(t, to, influxtest.Token)
			err := to.Connect(t.Context())
			if err == nil {
				influxtest.Must(t, to.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			secrettest.Absent(t, "the error", fmt.Sprint(err), influxtest.Token)
		})
	}
}
