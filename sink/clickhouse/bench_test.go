package clickhouse_test

import (
	"bytes"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/weirstreams/weir/sink/clickhouse"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

// BenchmarkSink compares the sink with a bare client of net/http that writes the same rows, 5,000 in a request, to a server of this process that reads and
// drops them. One operation is one row.
func BenchmarkSink(b *testing.B) {
	const batch = 5000
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) == 0 {
			_, _ = io.WriteString(w, `["symbol","String",""]`)
		}
	}))
	defer server.Close()
	value := func(i int) trade { return trade{"WEIR", float64(i) / 7} }
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		var body []byte
		for i := range b.N {
			v := value(i)
			body = strconv.AppendFloat(append(strconv.AppendQuote(append(body, `{"symbol":`...), v.Symbol), `,"price":`...), v.Price, 'f', -1, 64)
			body = append(body, "}\n"...)
			if i%batch == batch-1 || i == b.N-1 {
				response, err := server.Client().Post(server.URL+"/?query=INSERT", "text/plain; charset=utf-8", bytes.NewReader(body))
				influxtest.Must(b, err)
				_, err = io.Copy(io.Discard, response.Body)
				influxtest.Must(b, err)
				influxtest.Must(b, response.Body.Close())
				body = body[:0]
			}
		}
	})
	b.Run("sink", func(b *testing.B) {
		w := influxtest.Open(b, clickhouse.New(server.URL, clickhouse.Options[string, trade]{Table: "bench"}))
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			influxtest.Must(b, w.Add("k", value(i)))
			if w.Writer.Full() {
				influxtest.Must(b, w.Flush())
			}
		}
		influxtest.Must(b, w.Flush())
	})
}
