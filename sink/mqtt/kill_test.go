package mqtt_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	client "github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/mqtt"
	sourcemqtt "github.com/weirstreams/weir/source/mqtt"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that reads messages into a topic of Kafka, and publishes its records as messages again.
type pipeline struct {
	killtest.Member
	Topic, Root, Broker string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) run() error {
	t := stream.NewTopology()
	topic := stream.NewTopic(p.Topic, codec.String(), codec.String())
	t.FromSource(sourcemqtt.New(sourcemqtt.Options[string, string]{
		URL: secret.New(p.Broker), ClientID: p.Group, Topics: []string{p.Root + "in/#"}, Share: "g", Readers: 2,
	}), topic).Sink("out", mqtt.New(mqtt.Options[string, string]{URL: secret.New(p.Broker), Name: p.Root + "out"}))
	return p.Run(t)
}

// TestKilledPipelinesLoseNoMessage kills a process again and again between two topics of MQTT, with a topic of Kafka in between. Each message must come out.
func TestKilledPipelinesLoseNoMessage(t *testing.T) {
	url := variable(t, "WEIR_TEST_MQTT")
	k := kafkatest.Start(t)
	kills := longtest.Cases(2, 12)
	total := 2000 * kills
	top := root()
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: strings.Trim(top, "/"), Guarantee: runtime.ExactlyOnce},
		Topic:  k.Topic(t, "messages", 2), Root: top, Broker: url,
	}
	// The sessions have to be there before the first message.
	for n := range 2 {
		c := dial(t, url, client.Config{ClientID: fmt.Sprintf("%s-%d", p.Group, n), SessionExpiry: 3600})
		must(t, c.Subscribe(t.Context(), []string{"$share/g/" + top + "in/#"}))
		must(t, c.Close())
	}
	box := newInbox(t, top+"out")
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		w := open(t, mqtt.Options[string, string]{URL: secret.New(url), Prefix: top + "in/"})
		for i := range total {
			if w.add(fmt.Sprint("k", i%10), fmt.Sprint(i)) != nil || i%50 == 49 && w.flush() != nil {
				return // the messages are missed
			}
		}
		w.close()
	})
	seen := map[string]bool{}
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 1500,
		Progress: func() int {
			for {
				select {
				case m := <-box.messages:
					seen[string(m.Payload)] = true
				default:
					return len(seen)
				}
			}
		},
	})
	var missing []int
	for i := range total {
		if !seen[fmt.Sprint(i)] {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d kills: %d messages are lost: %v", kills, len(missing), slices.Clip(missing[:min(len(missing), 20)]))
	}
}
