package elasticsearch_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/elasticsearch"
)

func TestDocumentsAreReplacedMergedAndDeletedByKey(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		for mode, want := range map[elasticsearch.Mode]map[string]string{
			elasticsearch.Replace: {"a": `{"price":2}`, "b": `{"name":"b"}`},
			elasticsearch.Merge:   {"a": `{"name":"a","price":2}`, "b": `{"name":"b"}`},
		} {
			index := e.create(t, strings.ToLower(mode.String()), "{}")
			w := open(t, elasticsearch.New(e.address, options{Index: index, Mode: mode}))
			must(t, w.add("a", product{"a", 1}))
			must(t, w.add("c", product{"c", 1}))
			must(t, w.flush())
			must(t, w.add("a", product{"", 2}))
			must(t, w.add("b", product{"b", 0}))
			for _, key := range []string{"c", "was never there"} {
				must(t, w.addRecord(weir.Record[string, product]{Key: key, ValueNull: true, Origin: &weir.Origin{Offset: 10}}))
			}
			must(t, w.flush())
			if diff := cmp.Diff(want, e.documents(t, index)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", mode, diff)
			}
		}
	})
}

func TestAnOwnerThatIsLateDoesNotTakeDocumentsBack(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		index := e.create(t, "versions", "{}")
		write := func(key string, price int, offset int64) {
			w := open(t, elasticsearch.New(e.address, options{Index: index, Version: elasticsearch.OffsetVersion[string, product]}))
			r := weir.Record[string, product]{Key: key, Value: product{Price: price}, ValueNull: price < 0, Origin: &weir.Origin{Offset: offset}}
			must(t, w.addRecord(r))
			must(t, w.flush())
		}
		write("a", 1, 7)
		write("a", 2, 6) // processed again, or by a zombie
		write("a", 3, 7) // a second result of the same record
		write("b", 1, 8)
		write("b", -1, 5)
		write("c", -1, 9)
		write("c", 1, 8)
		want := map[string]string{"a": `{"price":3}`, "b": `{"price":1}`}
		if diff := cmp.Diff(want, e.documents(t, index)); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
	})
}

func TestAppendedDocumentsAreKept(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		index := e.create(t, "log", "{}")
		o := options{Index: index, Mode: elasticsearch.Append, ID: elasticsearch.OffsetID[string, product]}
		for range 2 { // the second time after a crash
			w := open(t, elasticsearch.New(e.address, o))
			must(t, w.add("k", product{"first", 0}))
			must(t, w.add("k", product{"second", 0}))
			must(t, w.flush())
		}
		want := map[string]string{"input-0-0": `{"name":"first"}`, "input-0-1": `{"name":"second"}`}
		if diff := cmp.Diff(want, e.documents(t, index)); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
	})
}

func TestDataStreamsTakeDocumentsWithTheirTime(t *testing.T) {
	e := newEngine(t, "WEIR_TEST_OPENSEARCH") // Elasticsearch has them in its other licence alone
	o := options{
		Index: e.prefix + "stream", CreateDataStream: true, Mode: elasticsearch.Append, Retry: quickly,
		Metadata: elasticsearch.Metadata{Time: "@timestamp"}, ID: elasticsearch.OffsetID[string, product],
	}
	if err := elasticsearch.New(e.address, o).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "no matching index template") {
		t.Errorf("without a template: %v", err)
	}
	e.do(t, "PUT", "/_index_template/"+e.prefix+"stream", `{"index_patterns":["`+e.prefix+`*"],"data_stream":{},"template":{"settings":{"number_of_replicas":0}}}`, nil)
	for range 2 {
		w := open(t, elasticsearch.New(e.address, o))
		must(t, w.add("k", product{"a", 1}))
		must(t, w.add("k", product{"b", 2}))
		must(t, w.flush())
	}
	want := map[string]string{"input-0-0": `{"name":"a","price":1,"@timestamp":1767225600000}`, "input-0-1": `{"name":"b","price":2,"@timestamp":1767225600001}`}
	if diff := cmp.Diff(want, e.documents(t, o.Index)); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	o.Metadata = elasticsearch.Metadata{}
	w := open(t, elasticsearch.New(e.address, o))
	must(t, w.add("k", product{"no time", 1}))
	if _, ok := errors.AsType[sink.RecordErrors](w.flush()); !ok {
		t.Error("a document without a time was taken")
	}
}

func TestDocumentsHaveTheFieldsOfTheirRecords(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		index := e.create(t, "metadata", "{}")
		w := open(t, elasticsearch.New(e.address, elasticsearch.Options[[]byte, any]{Index: index, Metadata: elasticsearch.Metadata{
			Key: "__key", Time: "t", Headers: "__headers", Topic: "__topic", Partition: "__partition", Offset: "__offset",
		}}))
		must(t, w.addRecord(weir.Record[[]byte, any]{
			Key: []byte("CID_1"), Value: map[string]any{"age": 28, "t": "of the value"}, Origin: &weir.Origin{Partition: 2, Offset: 5},
			Headers: []weir.Header{{Key: "h", Value: []byte("v")}, {Key: "h", Value: []byte("w")}},
		}))
		must(t, w.addRecord(weir.Record[[]byte, any]{Key: []byte("n"), Value: 2.5, Origin: &weir.Origin{}}))
		must(t, w.flush())
		want := map[string]string{
			"CID_1": `{"age":28,"t":1767225600005,"__key":"CID_1","__headers":{"h":"w"},"__topic":"input","__partition":2,"__offset":5}`,
			"n":     `{"value":2.5,"__key":"n","t":1767225600000,"__headers":{},"__topic":"input","__partition":0,"__offset":0}`,
		}
		if diff := cmp.Diff(want, e.documents(t, index)); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
	})
}

func TestNamesAndValuesAreNeverReadAsActions(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		index := e.create(t, "evil", `{"dynamic":false}`)
		other := e.create(t, "stolen", "{}")
		evil := []string{
			"x\n{\"delete\":{\"_index\":\"" + other + "\"}}\n", `"}},"x":{"y":"`, "\",\"_index\":\"" + other, "\r\n", "\x00\x1f\x7f", `\`, "é漢🚰", "\u2028", " ", "../" + other,
			"?pipeline=x", "_all", "*", strings.Repeat("x", 512), "{", "null",
		}
		w := open(t, elasticsearch.New(e.address, elasticsearch.Options[string, map[string]string]{
			Index: index, Routing: func(r *weir.Record[string, map[string]string]) (string, error) { return r.Key, nil },
		}))
		want := map[string]string{}
		for _, text := range evil {
			value := map[string]string{"text": text}
			must(t, w.add(text, value))
			data, err := json.Marshal(value)
			must(t, err)
			want[text] = string(data)
		}
		must(t, w.flush())
		got := map[string]string{}
		for id, text := range e.documents(t, index) {
			var value map[string]string
			must(t, json.Unmarshal([]byte(text), &value))
			data, err := json.Marshal(value)
			must(t, err)
			got[id] = string(data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
		if n := len(e.documents(t, other)); n > 0 {
			t.Errorf("%d documents are in another index", n)
		}
	})
}

func TestARecordChoosesItsIndex(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		o := options{IndexOf: func(r *weir.Record[string, product]) (string, error) { return r.Value.Name, nil }}
		w := open(t, elasticsearch.New(e.address, o))
		de, fr := e.create(t, "de", "{}"), e.create(t, "fr", "{}")
		for _, name := range []string{"", "A", "a b", "<a-{now/d}>", "a,b", "a*", "_all", "-a", ".", "..", ".security", "a/b", "a?b", "a#b", "a:b", "a\nb", "\xff", strings.Repeat("a", 256)} {
			if err := w.add("k", product{Name: name}); err == nil || !strings.Contains(err.Error(), "index") {
				t.Errorf("the index %q: %v", name, err)
			}
		}
		must(t, w.add("1", product{de, 1}))
		must(t, w.add("2", product{fr, 2}))
		must(t, w.flush())
		if a, b := len(e.documents(t, de)), len(e.documents(t, fr)); a != 1 || b != 1 {
			t.Errorf("%d and %d documents", a, b)
		}
	})
}

func TestRecordsThatAreNoDocumentsAreRefused(t *testing.T) {
	null := weir.Record[string, product]{KeyNull: true, ValueNull: true, Origin: &weir.Origin{}}
	key := weir.Record[string, product]{Key: "k", ValueNull: true, Origin: &weir.Origin{}}
	value := weir.Record[string, product]{KeyNull: true, Origin: &weir.Origin{}}
	document := func(text string) func(*weir.Record[string, product]) ([]byte, error) {
		return func(*weir.Record[string, product]) ([]byte, error) { return []byte(text), nil }
	}
	server := httptest.NewServer(fakeEngine(nil))
	defer server.Close()
	for name, c := range map[string]struct {
		options
		record weir.Record[string, product]
		want   string
	}{
		"nothing to delete":      {options{}, null, "nothing to delete"},
		"a tombstone, appended":  {options{Mode: elasticsearch.Append, ID: elasticsearch.OffsetID[string, product]}, key, "the value is null"},
		"no id, merged":          {options{Mode: elasticsearch.Merge}, value, "has no id"},
		"no id, with a version":  {options{Version: elasticsearch.OffsetVersion[string, product]}, value, "has no id"},
		"an empty key":           {options{}, weir.Record[string, product]{Origin: &weir.Origin{}}, "the key is empty"},
		"a long id":              {options{}, weir.Record[string, product]{Key: strings.Repeat("x", 513), Origin: &weir.Origin{}}, "513 bytes"},
		"an id that is no text":  {options{}, weir.Record[string, product]{Key: "\xff", Origin: &weir.Origin{}}, "UTF-8"},
		"a negative version":     {options{Version: func(*weir.Record[string, product]) (int64, error) { return -1, nil }}, weir.Record[string, product]{Key: "k", Origin: &weir.Origin{}}, "negative"},
		"two documents":          {options{Document: document("{}\n{}")}, key, "not valid JSON"},
		"a document of a number": {options{Document: document("1")}, key, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			c.Index = "products"
			w := open(t, elasticsearch.New(server.URL, c.options))
			if err := w.addRecord(c.record); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "index products at "+server.URL) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

// fakeEngine is a service that takes everything, but for bulk requests that answer is asked about.
func fakeEngine(answer nethttp.HandlerFunc) nethttp.Handler {
	mux := nethttp.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		_, _ = io.WriteString(w, `{"version":{"number":"8.19.0"}}`)
	})
	mux.HandleFunc("/", func(nethttp.ResponseWriter, *nethttp.Request) {})
	mux.HandleFunc("POST /_bulk", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "weir-probe") {
			_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":400,"error":{"type":"document_parsing_exception"}}}]}`)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answer(w, r)
	})
	return mux
}

func TestADocumentThatIsLeftIsWrittenBeforeThoseOfItsIDBehindIt(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(fakeEngine(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		ok, busy := `{"index":{"status":200}}`, `{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}}`
		if len(bodies) == 1 {
			_, _ = io.WriteString(w, `{"errors":true,"items":[`+ok+","+busy+","+ok+","+ok+`]}`)
			return
		}
		_, _ = io.WriteString(w, `{"errors":false}`)
	}))
	defer server.Close()
	w := open(t, elasticsearch.New(server.URL, options{Index: "p", Retry: quickly}))
	for i, key := range []string{"a", "b", "b", "c"} {
		must(t, w.add(key, product{Price: i + 1}))
	}
	must(t, w.flush())
	want := `{"index":{"_index":"p","_id":"b"}}` + "\n" + `{"price":2}` + "\n" + `{"index":{"_index":"p","_id":"b"}}` + "\n" + `{"price":3}` + "\n"
	if len(bodies) != 2 || bodies[1] != want {
		t.Errorf("the second request of %d is %s", len(bodies), bodies[len(bodies)-1])
	}
}

func TestARequestThatIsTooLargeIsHalved(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(fakeEngine(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		requests.Add(1)
		if body, _ := io.ReadAll(r.Body); len(body) > 200 {
			w.WriteHeader(nethttp.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.WriteString(w, `{"errors":false}`)
	}))
	defer server.Close()
	w := open(t, elasticsearch.New(server.URL, options{Index: "p"}))
	for i := range 10 {
		must(t, w.add(fmt.Sprint(i), product{Price: i}))
	}
	must(t, w.add("long", product{Name: strings.Repeat("x", 300)}))
	must(t, w.add("last", product{Price: 1}))
	refused, ok := errors.AsType[sink.RecordErrors](w.flush())
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 10 || !strings.Contains(refused.Error(), "413") {
		t.Errorf("got %v after %d requests", refused, requests.Load())
	}
	must(t, w.flush())
}

func TestBackPressureOfTheServiceHoldsInput(t *testing.T) {
	answers := map[string]struct {
		answer nethttp.HandlerFunc
		after  time.Duration
	}{
		"the service is overloaded": {status(nethttp.StatusTooManyRequests, "Retry-After", "7"), 7 * time.Second},
		"the service is away":       {status(nethttp.StatusServiceUnavailable), 0},
		"documents are rejected": {func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":503,"error":{"type":"unavailable_shards_exception","reason":"moving"}}}]}`)
		}, 3 * time.Second},
		"the service breaks off": {func(nethttp.ResponseWriter, *nethttp.Request) { panic(nethttp.ErrAbortHandler) }, 3 * time.Second},
	}
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(fakeEngine(c.answer))
			defer server.Close()
			w := open(t, elasticsearch.New(server.URL, options{Index: "p", Retry: quickly, OutageWait: 3 * time.Second}))
			must(t, w.add("k", product{}))
			later, ok := errors.AsType[*weir.RetryLaterError](w.flush())
			if !ok || later.RetryAfter != c.after {
				t.Errorf("got %v", later)
			}
		})
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	e := newEngine(t, "WEIR_TEST_ELASTICSEARCH")
	index := e.create(t, "there", "{}")
	closed := e.create(t, "closed", "{}")
	e.do(t, "POST", "/"+closed+"/_close", "", nil)
	denied := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/_bulk" {
			_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":403,"error":{"type":"security_exception","reason":"action [indices:data/write/bulk[s]] is unauthorized"}}}]}`)
			return
		}
		w.WriteHeader(nethttp.StatusForbidden)
	}))
	defer denied.Close()
	about := func(text string) string {
		server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = io.WriteString(w, text) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	secure := httptest.NewTLSServer(fakeEngine(nil))
	defer secure.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	unauthorized := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.WriteHeader(nethttp.StatusUnauthorized)
		_, _ = io.WriteString(w, "not you: "+r.Header.Get("Authorization"))
	}))
	defer unauthorized.Close()
	login := elasticsearch.Basic("user", secret.New(password))
	for name, c := range map[string]struct {
		address string
		options
		want string // "" is success
	}{
		"all is well":                {e.address, options{Index: index}, ""},
		"no index":                   {e.address, options{}, "one of Index and IndexOf"},
		"an index of another place":  {e.address, options{Index: "a/../b"}, "no name of an index"},
		"an unknown mode":            {e.address, options{Index: index, Mode: 9}, "Mode 9 is unknown"},
		"versions of what is merged": {e.address, options{Index: index, Mode: elasticsearch.Merge, Version: elasticsearch.OffsetVersion[string, product]}, "Version is for Replace"},
		"settings that are no JSON":  {e.address, options{Index: index, CreateIndex: "{"}, "CreateIndex is not valid JSON"},
		"an index that is missing":   {e.address, options{Index: e.prefix + "nowhere"}, "there is no index"},
		"settings that are wrong":    {e.address, options{Index: e.prefix + "new", CreateIndex: `{"mappings":{"properties":{"a":{"type":"nonsense"}}}}`}, "nonsense"},
		"an index that is closed":    {e.address, options{Index: closed}, "index_closed_exception"},
		"another protocol":           {"ftp://host", options{Index: index}, "neither http nor https"},
		"a password in the address":  {"http://user:" + password + "@host", options{Index: index}, "belong in Options.Auth"},
		"a query":                    {"http://host?a=" + password, options{Index: index}, "has a query"},
		"credentials without TLS":    {"http://192.0.2.1:9200", options{Index: index, Auth: login}, "without TLS"},
		"nobody there":               {"http://127.0.0.1:1", options{Index: index, Auth: login, Retry: quickly}, "connection refused"},
		"an old version":             {about(`{"version":{"number":"6.8.23"}}`), options{Index: index}, "Elasticsearch 6.8.23 is too old"},
		"another service":            {about("hello"), options{Index: index}, "neither Elasticsearch nor OpenSearch"},
		"a wrong password":           {unauthorized.URL, options{Index: index, Auth: login}, "status 401"},
		"no permission":              {denied.URL, options{Index: index, Auth: elasticsearch.APIKey(secret.New(password))}, "need the privilege to write"},
		"TLS":                        {secure.URL, options{Index: index, TLS: &tls.Config{RootCAs: trusted}}, ""},
		"an unknown authority":       {secure.URL, options{Index: index, Retry: quickly}, "certificate"},
		"TLS of another name":        {secure.URL, options{Index: index, TLS: &tls.Config{RootCAs: trusted, ServerName: "other"}, Retry: quickly}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			to := elasticsearch.New(c.address, c.options)
			secrettest.Hidden(t, to, password)
			err := to.Connect(t.Context())
			if err == nil {
				must(t, to.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil {
				secrettest.Absent(t, "the error", err.Error(), password)
			}
		})
	}
}

func TestAPermissionThatIsTakenAwayEndsTheRun(t *testing.T) {
	server := httptest.NewServer(fakeEngine(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":403,"error":{"type":"security_exception","reason":"no"}}}]}`)
	}))
	defer server.Close()
	w := open(t, elasticsearch.New(server.URL, options{Index: "p", Retry: quickly}))
	must(t, w.add("k", product{}))
	err := w.flush()
	if err == nil || errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) {
		t.Errorf("got %v", err)
	}
}
