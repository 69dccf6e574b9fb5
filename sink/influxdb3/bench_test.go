package influxdb3_test

import (
	"bytes"
	nethttp "net/http"
	"testing"

	"github.com/weirstreams/weir/sink/influxdb3"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

// BenchmarkSink compares the sink with a bare client that writes the same lines with fmt.Fprintf and strings.Replacer, 5,000 in a request of net/http, to a server of
// this process that reads and drops them. One operation is one point.
func BenchmarkSink(b *testing.B) {
	address := influxtest.Discard(b, func(body []byte) (int, string) {
		if bytes.HasPrefix(body, []byte("weir_probe")) {
			return nethttp.StatusBadRequest, ""
		}
		return nethttp.StatusNoContent, ""
	})
	value := func(i int) reading { return reading{"sensor 4711", float64(i) / 7, i} }
	b.Run("net/http", func(b *testing.B) {
		influxtest.Bare(b, address+"/api/v3/write_lp?db=bench&precision=millisecond", func(body *bytes.Buffer, i int) error {
			v := value(i)
			return influxtest.WritePoint(body, v.Sensor, v.Degrees, v.Messages, i)
		})
	})
	for name, compressed := range map[string]bool{"sink": false, "sink with gzip": true} {
		b.Run(name, func(b *testing.B) {
			influxtest.Bench(b, influxdb3.New(address, influxdb3.Options[string, reading]{Database: "bench", Measurement: "readings", Tags: []string{"sensor"}, Gzip: compressed}), value)
		})
	}
}
