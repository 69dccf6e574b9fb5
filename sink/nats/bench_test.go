package nats_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/nats"
)

// BenchmarkSink compares the sink with the client alone, which publishes the same messages with as many outstanding ones. One operation is one message.
func BenchmarkSink(b *testing.B) {
	value := func(i int) measurement { return measurement{float64(i) / 7} }
	subject := func(i int) string { return strconv.Itoa(i % 1000) }
	bounded := func(c *jetstream.StreamConfig) { c.MaxMsgs = 100_000 }
	b.Run("client", func(b *testing.B) {
		p := newPlace(b)
		stream := p.stream(b, "bench", bounded)
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			data, err := json.Marshal(value(i))
			must(b, err)
			_, err = p.js.PublishAsync(stream+"."+subject(i), data, jetstream.WithStallWait(10*time.Second))
			must(b, err)
		}
		<-p.js.PublishAsyncComplete()
	})
	b.Run("sink", func(b *testing.B) {
		p := newPlace(b)
		stream := p.stream(b, "bench", bounded)
		w := open(b, nats.Options[string, measurement]{URL: secret.New(p.url), Prefix: stream + "."})
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			must(b, w.add(subject(i), value(i)))
			if w.writer.Full() {
				must(b, w.flush())
			}
		}
		must(b, w.flush())
	})
}
