package tdengine_test

import (
	"bytes"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
	"github.com/weirstreams/weir/sink/tdengine"
)

// BenchmarkSink compares the sink with a bare client of net/http that writes the same lines, 5,000 in a request, to a server of this process that reads and
// drops them. One operation is one point.
func BenchmarkSink(b *testing.B) {
	const batch = 5000
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if r.URL.Path == "/rest/sql" {
			_, _ = io.WriteString(w, `{"code":0,"data":[["bench","ms"]]}`)
			return
		}
		if err != nil || bytes.HasPrefix(body, []byte("weir_probe")) {
			w.WriteHeader(nethttp.StatusBadRequest)
			return
		}
		w.WriteHeader(nethttp.StatusNoContent)
	}))
	defer server.Close()
	value := func(i int) reading { return reading{"sensor 4711", float64(i) / 7, i} }
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		var body []byte
		for i := range b.N {
			v := value(i)
			body = append(body, `readings,sensor=sensor\ 4711 degrees=`...)
			body = strconv.AppendFloat(body, v.Degrees, 'f', -1, 64)
			body = append(strconv.AppendInt(append(body, ",messages="...), int64(v.Messages), 10), "i "...)
			body = append(strconv.AppendInt(body, int64(i), 10), '\n')
			if i%batch == batch-1 || i == b.N-1 {
				response, err := server.Client().Post(server.URL+"/influxdb/v1/write?db=bench&precision=ms", "text/plain; charset=utf-8", bytes.NewReader(body))
				influxtest.Must(b, err)
				_, err = io.Copy(io.Discard, response.Body)
				influxtest.Must(b, err)
				influxtest.Must(b, response.Body.Close())
				body = body[:0]
			}
		}
	})
	b.Run("sink", func(b *testing.B) {
		w := influxtest.Open(b, tdengine.New(server.URL, tdengine.Options[string, reading]{Database: "bench", Measurement: "readings", Tags: []string{"sensor"}}))
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
