package elasticsearch_test

import (
	"encoding/json"
	nethttp "net/http"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/elasticsearch"
	"github.com/weirstreams/weir/sink/sinktest"
)

const password = "s3cret-of-the-sink"

type kitOptions = elasticsearch.Options[*string, *string]

// kitDocument is an item as a document, and the poison as one that the mapping refuses.
func kitDocument(r *weir.Record[*string, *string]) ([]byte, error) {
	if r.Key != nil && *r.Key == "poison" {
		return []byte(`{"Key":{"an":"object"}}`), nil
	}
	return json.Marshal(sinktest.OfPointers(r.Key, r.Value))
}

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for name, c := range map[string]struct {
		set        func(o *kitOptions)
		idempotent bool
		noNullKeys bool
	}{
		"ids of keys":          {func(*kitOptions) {}, true, false},
		"versions, compressed": {func(o *kitOptions) { o.Version, o.Gzip = elasticsearch.OffsetVersion[*string, *string], true }, true, true},
		"merged":               {func(o *kitOptions) { o.Mode = elasticsearch.Merge }, true, true},
		"appended":             {func(o *kitOptions) { o.Mode = elasticsearch.Append }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, e *engine) {
				of := func(place string) kitOptions {
					o := kitOptions{
						Index: e.prefix + place, CreateIndex: indexBody(`{"properties":{"Key":{"type":"keyword","ignore_above":1000},"Value":{"type":"keyword","index":false,"doc_values":false}}}`),
						Document: kitDocument, Retry: quickly, Auth: elasticsearch.Basic("user", secret.New(password)),
					}
					c.set(&o)
					return o
				}
				sinktest.Run(t, sinktest.Target[*string, *string]{
					New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
						return elasticsearch.New(e.gate.URL, of(place))
					},
					Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
					Read: func(tb testing.TB, place string) (items []sinktest.Item) {
						for _, f := range e.search(tb, e.prefix+place) {
							var i sinktest.Item
							must(tb, json.Unmarshal(f.Source, &i))
							items = append(items, i)
						}
						return items
					},
					Idempotent: c.idempotent, NoNullKeys: c.noNullKeys, Records: 3000,
					Refused: func() (key, value *string) {
						k, v := "poison", "value"
						return &k, &v
					},
					Push: func(tb testing.TB, place string) func() {
						block := func(text string) {
							e.do(tb, "PUT", "/"+e.prefix+place+"/_settings", `{"index.blocks.read_only_allow_delete":`+text+`}`, nil)
						}
						block("true") // as when the disk is full
						return func() { block("null") }
					},
					Break:   func(testing.TB, string) func() { return e.gate.Answer("_bulk", status(nethttp.StatusUnauthorized)) },
					Secrets: []string{password},
					Unreachable: func(testing.TB) sink.Sink[*string, *string] {
						return elasticsearch.New("http://127.0.0.1:1", of("nowhere"))
					},
				})
			})
		})
	}
}
