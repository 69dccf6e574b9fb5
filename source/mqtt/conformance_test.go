package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	client "github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/mqtt"
	"github.com/weirstreams/weir/source/sourcetest"
)

const password = "s3cret-of-the-source"

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

// dial opens a connection to the broker.
func dial(tb testing.TB, version mqtt.Version, config client.Config) *client.Conn {
	tb.Helper()
	address, err := client.ParseAddress(variable(tb, "WEIR_TEST_MQTT"))
	must(tb, err)
	config.Address, config.Login, config.Version, config.Timeout, config.KeepAlive = address.Host, address.Login, client.V5, 10*time.Second, 30*time.Second
	if version == mqtt.V311 {
		config.Version = client.V311
	}
	c, err := client.Dial(context.WithoutCancel(tb.Context()), config)
	must(tb, err)
	return c
}

// publish publishes messages with QoS 1, and returns when the broker has them.
func publish(tb testing.TB, messages ...client.Message) {
	tb.Helper()
	var mu sync.Mutex
	acked := 0
	all := make(chan struct{})
	c := dial(tb, mqtt.V5, client.Config{ClientID: fmt.Sprint("publisher", time.Now().UnixNano()), Clean: true, OnAck: func(_ uint16, err error) {
		mu.Lock()
		defer mu.Unlock()
		if acked++; acked == len(messages) {
			close(all)
		}
	}})
	defer c.Close()
	for i := range messages {
		messages[i].QoS, messages[i].ID = 1, uint16(i%60_000+1)
		if c.QueueMessage(&messages[i]); i%100 == 99 {
			must(tb, c.Flush())
		}
	}
	must(tb, c.Flush())
	if len(messages) == 0 {
		return
	}
	select {
	case <-all:
	case <-c.Done():
		tb.Fatal(c.Err())
	case <-time.After(time.Minute):
		tb.Fatal("the broker does not acknowledge")
	}
}

// session is the settings of the connection of a source's reader.
func session(clientID string) client.Config {
	return client.Config{ClientID: clientID, SessionExpiry: 3600, ReceiveMaximum: 65535}
}

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	for version, name := range map[mqtt.Version]string{mqtt.V5: "5", mqtt.V311: "3.1.1"} {
		for _, share := range []string{"", "group"} {
			t.Run(name+share, func(t *testing.T) { conformance(t, version, share) })
		}
	}
}

func conformance(t *testing.T, version mqtt.Version, share string) {
	url := variable(t, "WEIR_TEST_MQTT")
	root := fmt.Sprintf("t%d/", time.Now().UnixNano())
	filled := map[string]int{}
	filter := func(place string) string {
		if share == "" {
			return root + place + "/#"
		}
		return "$share/" + share + "/" + root + place + "/#"
	}
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(_ testing.TB, place string) source.Source[*string, *string] {
			return mqtt.New(mqtt.Options[*string, *string]{
				URL: secret.New(url), Version: version, ClientID: root + place, Topics: []string{root + place + "/#"}, Share: share, Window: 60_000,
				Record: func(m mqtt.Message) (r weir.Record[*string, *string], err error) {
					var i sourcetest.Item
					err = json.Unmarshal(m.Payload, &i)
					r.Key, r.Value = i.Pointers()
					return r, err
				},
			})
		},
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			if _, known := filled[place]; !known { // the session has to be there, or the broker would keep nothing
				c := dial(tb, version, session(root+place+"-0"))
				must(tb, c.Subscribe(tb.Context(), []string{filter(place)}))
				must(tb, c.Close())
			}
			messages := make([]client.Message, len(items))
			for i := range items {
				payload, err := json.Marshal(items[i])
				must(tb, err)
				messages[i] = client.Message{Topic: root + place + "/topic", Payload: payload}
			}
			publish(tb, messages...)
			filled[place] += len(items)
		},
		Item: func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Once: true, Grows: true, Idle: 700 * time.Millisecond, Records: 15_000,
		Acknowledged: func(tb testing.TB, place string) int {
			came := make(chan struct{}, 100_000)
			config := session(root + place + "-0")
			config.OnMessage = func(client.Message) { came <- struct{}{} }
			c := dial(tb, version, config)
			defer c.Close()
			left := 0
			for {
				select {
				case <-came:
					left++
				case <-time.After(300 * time.Millisecond):
					return filled[place] - left
				}
			}
		},
		Secrets: []string{password},
		Unreachable: func(testing.TB) source.Source[*string, *string] {
			return mqtt.New(mqtt.Options[*string, *string]{
				URL: secret.New("mqtt://user:" + password + "@127.0.0.1:1"), ClientID: "c", Topics: []string{"#"}, Timeout: time.Second,
			})
		},
	})
}
