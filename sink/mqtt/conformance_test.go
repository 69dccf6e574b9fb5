package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	client "github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/mqtt"
	"github.com/weirstreams/weir/sink/sinktest"
)

const password = "s3cret-of-the-sink"

func variable(tb testing.TB, name string) string {
	tb.Helper()
	value := os.Getenv(name)
	if value == "" {
		tb.Skip("needs an MQTT broker: go run ./internal/testserver mosquitto -- go test")
	}
	return value
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// quickly are attempts for tests: two, one after the other.
var quickly = weir.Retry{Attempts: 2, FirstWait: time.Millisecond}

// dial opens a connection to the broker at a URL.
func dial(tb testing.TB, text string, config client.Config) *client.Conn {
	tb.Helper()
	address, err := client.ParseAddress(text)
	must(tb, err)
	config.Address, config.Login, config.Version, config.Timeout, config.KeepAlive = address.Host, address.Login, client.V5, 10*time.Second, 30*time.Second
	c, err := client.Dial(context.WithoutCancel(tb.Context()), config)
	must(tb, err)
	return c
}

// inbox receives the messages below a topic.
type inbox struct {
	tb       testing.TB
	conn     *client.Conn
	messages chan client.Message
}

func newInbox(tb testing.TB, filter string) *inbox {
	tb.Helper()
	b := &inbox{tb: tb, messages: make(chan client.Message, 500_000)}
	ready := make(chan struct{}) // the connection begins to read before it is known here
	b.conn = dial(tb, variable(tb, "WEIR_TEST_MQTT"), client.Config{
		ClientID: fmt.Sprint("inbox", time.Now().UnixNano()), Clean: true, ReceiveMaximum: 65535,
		OnMessage: func(m client.Message) {
			<-ready
			b.messages <- m
			if m.QoS > 0 {
				b.conn.QueueAck(m.ID)
				_ = b.conn.Flush()
			}
		},
	})
	close(ready)
	must(tb, b.conn.Subscribe(tb.Context(), []string{filter}))
	tb.Cleanup(func() { b.conn.Close() })
	return b
}

// all returns the messages that have come, when no other comes for a while.
func (b *inbox) all() (messages []client.Message) {
	b.tb.Helper()
	for {
		select {
		case m := <-b.messages:
			messages = append(messages, m)
		case <-b.conn.Done():
			b.tb.Fatal(b.conn.Err())
		case <-time.After(300 * time.Millisecond):
			return messages
		}
	}
}

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for _, version := range []mqtt.Version{mqtt.V5, mqtt.V311} {
		for _, qos := range []mqtt.QoS{mqtt.AtLeastOnce, mqtt.AtMostOnce} {
			t.Run(fmt.Sprint("version ", version, " qos ", qos), func(t *testing.T) { conformance(t, version, qos) })
		}
	}
}

func conformance(t *testing.T, version mqtt.Version, qos mqtt.QoS) {
	broker := variable(t, "WEIR_TEST_MQTT")
	through := nettest.NewRelay(t, broker)
	root := fmt.Sprintf("t%d/", time.Now().UnixNano())
	boxes := map[string]*inbox{}
	seen := map[string][]sinktest.Item{}
	made := func(tb testing.TB, place string) mqtt.Options[*string, *string] {
		if boxes[place] == nil {
			boxes[place] = newInbox(t, root+place+"/#")
		}
		return mqtt.Options[*string, *string]{
			URL: secret.New("mqtt://" + through.Address()), Version: version, QoS: qos, Timeout: 3 * time.Second, Retry: quickly,
			Topic: func(r *weir.Record[*string, *string]) (string, error) {
				if r.Key == nil {
					return root + place + "/null", nil
				}
				if *r.Key == "refused" {
					return "a/+/b", nil
				}
				return root + place + "/k/" + url.PathEscape(*r.Key)[:min(20, len(url.PathEscape(*r.Key)))], nil
			},
			Payload: func(r *weir.Record[*string, *string]) ([]byte, error) {
				return json.Marshal(sinktest.OfPointers(r.Key, r.Value))
			},
		}
	}
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New:    func(tb testing.TB, place string) sink.Sink[*string, *string] { return mqtt.New(made(tb, place)) },
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) []sinktest.Item {
			for _, m := range boxes[place].all() {
				var i sinktest.Item
				must(tb, json.Unmarshal(m.Payload, &i))
				seen[place] = append(seen[place], i)
			}
			return seen[place]
		},
		Records: 20_000,
		Refused: func() (key, value *string) {
			text := "refused"
			return &text, &text
		},
		Break: func(testing.TB, string) func() {
			through.Refuse(true)
			return func() { through.Refuse(false) }
		},
		Secrets: []string{password},
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			return mqtt.New(mqtt.Options[*string, *string]{URL: secret.New("mqtt://user:" + password + "@127.0.0.1:1"), Retry: quickly})
		},
	})
}
