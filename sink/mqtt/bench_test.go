package mqtt_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	client "github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/mqtt"
)

// BenchmarkSink compares the sink with the client alone: the same messages with QoS 1, 10,000 a checkpoint, up to 1,000 outstanding. One operation is one
// message.
func BenchmarkSink(b *testing.B) {
	const window, checkpoint = 1000, 10_000
	value := setpoint{"a room with a name", 21.5}
	b.Run("client", func(b *testing.B) {
		top := root()
		free := make(chan struct{}, window)
		for range window {
			free <- struct{}{}
		}
		c := dial(b, variable(b, "WEIR_TEST_MQTT"), client.Config{ClientID: fmt.Sprint("bench", time.Now().UnixNano()), Clean: true, OnAck: func(uint16, error) { free <- struct{}{} }})
		defer c.Close()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			payload, err := json.Marshal(value)
			must(b, err)
			select {
			case <-free:
			default:
				must(b, c.Flush())
				<-free
			}
			if m := (client.Message{Topic: top + "t", Payload: payload, QoS: 1, ID: uint16(i%60_000 + 1)}); c.QueueMessage(&m) > 64<<10 {
				must(b, c.Flush())
			}
		}
		must(b, c.Flush())
		for range window {
			<-free
		}
	})
	b.Run("sink", func(b *testing.B) {
		w := open(b, mqtt.Options[string, setpoint]{URL: secret.New(variable(b, "WEIR_TEST_MQTT")), Prefix: root(), Window: window})
		defer w.close()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			must(b, w.add("t", value))
			if i%checkpoint == checkpoint-1 {
				must(b, w.flush())
			}
		}
		must(b, w.flush())
	})
}
