package elasticsearch_test

import (
	"bytes"
	"encoding/json"
	"io"
	nethttp "net/http"
	"strconv"
	"testing"

	"github.com/weirstreams/weir/sink/elasticsearch"
)

// BenchmarkSink compares the sink with a bare client of net/http that sends the same documents, 5,000 in a bulk request. One operation is one document.
func BenchmarkSink(b *testing.B) {
	const bulk = 5000
	value := func(i int) order { return order{"DE", float64(i) / 7} }
	b.Run("net/http", func(b *testing.B) {
		e := newEngine(b, "WEIR_TEST_ELASTICSEARCH")
		index := e.create(b, "bench", "{}")
		b.ReportAllocs()
		var body bytes.Buffer
		send := func() {
			response, err := nethttp.Post(e.address+"/_bulk?filter_path=errors", "application/x-ndjson", &body)
			must(b, err)
			answer, err := io.ReadAll(response.Body)
			must(b, err)
			must(b, response.Body.Close())
			if string(answer) != `{"errors":false}` {
				b.Fatal(string(answer))
			}
			body.Reset()
		}
		for i := range b.N {
			body.WriteString(`{"index":{"_index":"` + index + `","_id":"order-` + strconv.Itoa(i) + "\"}}\n")
			data, err := json.Marshal(value(i))
			must(b, err)
			body.Write(data)
			body.WriteByte('\n')
			if i%bulk == bulk-1 || i == b.N-1 {
				send()
			}
		}
	})
	for _, compressed := range []bool{false, true} {
		name := "sink"
		if compressed {
			name = "sink with gzip"
		}
		b.Run(name, func(b *testing.B) {
			e := newEngine(b, "WEIR_TEST_ELASTICSEARCH")
			index := e.create(b, "bench", "{}")
			w := open(b, elasticsearch.New(e.address, elasticsearch.Options[string, order]{Index: index, Gzip: compressed}))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				must(b, w.add("order-"+strconv.Itoa(i), value(i)))
				if w.writer.Full() {
					must(b, w.flush())
				}
			}
			must(b, w.flush())
		})
	}
}
