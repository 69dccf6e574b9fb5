package influxdb1_test

import (
	"bytes"
	nethttp "net/http"
	"strconv"
	"testing"

	"github.com/weirstreams/weir/sink/influxdb1"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

// BenchmarkSink compares the sink with a bare client of net/http that formats and writes the same points, 5,000 in a request. One operation is one point.
func BenchmarkSink(b *testing.B) {
	const batch = 5000
	value := func(i int) reading { return reading{"sensor 4711", float64(i) / 7, i} }
	b.Run("net/http", func(b *testing.B) {
		e := newEngine(b)
		e.query(b, "", `CREATE DATABASE "`+e.prefix+`bench"`)
		b.ReportAllocs()
		b.ResetTimer()
		var body []byte
		for i := range b.N {
			v := value(i)
			body = append(body, `readings,sensor=sensor\ 4711 degrees=`...)
			body = strconv.AppendFloat(body, v.Degrees, 'f', -1, 64)
			body = append(strconv.AppendInt(append(body, ",messages="...), int64(v.Messages), 10), "i "...)
			body = append(strconv.AppendInt(body, 1767225600000+int64(i), 10), '\n')
			if i%batch == batch-1 || i == b.N-1 {
				r, err := nethttp.NewRequest(nethttp.MethodPost, e.address+"/write?precision=ms&db="+e.prefix+"bench", bytes.NewReader(body))
				influxtest.Must(b, err)
				r.SetBasicAuth("weir", password)
				response, err := nethttp.DefaultClient.Do(r)
				influxtest.Must(b, err)
				influxtest.Must(b, response.Body.Close())
				if response.StatusCode != nethttp.StatusNoContent {
					b.Fatal(response.Status)
				}
				body = body[:0]
			}
		}
	})
	for _, compressed := range []bool{false, true} {
		name := "sink"
		if compressed {
			name = "sink with gzip"
		}
		b.Run(name, func(b *testing.B) {
			e := newEngine(b)
			w := influxtest.Open(b, influxdb1.New(e.address, influxdb1.Options[string, reading]{
				Database: e.prefix + "bench", CreateDatabase: true, Measurement: "readings", Tags: []string{"sensor"}, Auth: login, Gzip: compressed,
			}))
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
}
