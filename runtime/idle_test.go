package runtime_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Windows behind windows close while no input comes, and count everything, in both guarantees. What tasks tell each other about
// time is neither output nor input, and keeps nobody from stopping.
func TestWindowsBehindWindowsCloseWithoutInput(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		t.Run(fmt.Sprint(guarantee), func(t *testing.T) {
			kafkatest.Parallel(t)
			k := newKafka(t)
			in, out := k.Topic(t, "in", 2), k.Topic(t, "out", 1)
			begin := time.Now().Add(-3 * time.Hour).UnixMilli()
			const keys, records = 15, 30
			for i := range records {
				key := strconv.Itoa(i % keys)
				k.write(in, int32(i%keys%2), broker.Record{Key: []byte(key), Value: []byte("x"), Millis: begin + int64(i/keys)*300_000})
			}
			topology := stream.NewTopology()
			topology.From(texts(in)).
				Window(window.Tumbling(5 * time.Minute)).Aggregate(window.Count[string]()).Final().
				GroupByKey("again").
				Window(window.Tumbling(5 * time.Minute)).
				Aggregate(window.Sum(func(r window.Result[int64]) int64 { return r.Value })).Final().
				Map(func(r window.Result[int64]) string { return strconv.FormatInt(r.Value, 10) }).
				To(texts(out))
			var processed int
			config := k.config()
			config.Guarantee = guarantee
			config.IdleTimeout = 300 * time.Millisecond
			config.Checkpoint.Interval = 50 * time.Millisecond
			heard := make(chan weir.Origin, 1000)
			config.OnProcessed = func(o weir.Origin) { heard <- o }
			if err := app(t, topology, config).RunUntil(within(t), runtime.Until{Outputs: records}); err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, r := range k.read(out) {
				n, err := strconv.Atoi(string(r.Value))
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
			if sum != records {
				t.Errorf("%d of %d records are counted in the end", sum, records)
			}
			close(heard)
			for range heard {
				processed++
			}
			if want := 2 * records; processed != want { // those of the input, and the results of the first windows
				t.Errorf("%d records were processed, want %d", processed, want)
			}
		})
	}
}
