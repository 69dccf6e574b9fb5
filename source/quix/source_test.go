package quix_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/portaltest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
	"github.com/weirstreams/weir/source/quix"
	"github.com/weirstreams/weir/source/sourcetest"
	"github.com/weirstreams/weir/stream"
)

func TestMain(m *testing.M) {
	killtest.Main(func() int {
		kafkatest.VerifyTestMain(m) // ends the process
		return 1
	}, (*member).run)
}

const workspace = "acme-prod"

var texts = codec.Nullable(codec.String())

// there is a workspace with a topic that a test fills.
type there struct {
	*portaltest.Portal
	*kafkatest.Kafka
	mu     sync.Mutex        // guards topics
	topics map[string]string // ids by name
}

func newThere(t testing.TB) *there {
	t.Helper()
	k := kafkatest.Start(t)
	return &there{Kafka: k, topics: map[string]string{}, Portal: portaltest.New(
		&portaltest.Workspace{ID: "acme-dev"},
		&portaltest.Workspace{ID: workspace, Name: "Production", Connection: map[string]any{"bootstrap.servers": k.Brokers[0]}},
	)}
}

// topic makes a topic on the cluster and in the workspace, once, and returns its id.
func (w *there) topic(tb testing.TB, name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.topics[name] == "" {
		w.topics[name] = w.Kafka.Topic(tb, workspace, 2)
		w.Add(workspace, portaltest.Topic{ID: w.topics[name], Name: name, Status: "Ready", Partitions: 2})
	}
	return w.topics[name]
}

func (w *there) source(name string, change func(*quix.Options[*string, *string])) *quix.Source[*string, *string] {
	options := quix.Options[*string, *string]{
		Portal:    portal.Config{URL: "https://portal.test", Token: secret.New(portaltest.Token), HTTPClient: w.Portal.Client()},
		Workspace: workspace,
	}
	if change != nil {
		change(&options)
	}
	return quix.New(stream.NewTopic(name, texts, texts), options)
}

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	w := newThere(t)
	client := brokertest.Open(t, w.Kafka)
	producer := brokertest.NewProducer(t, client, broker.ProducerConfig{})
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(tb testing.TB, name string) source.Source[*string, *string] {
			w.topic(tb, name)
			return w.source(name, func(o *quix.Options[*string, *string]) { o.Kafka.StopAtEnd = true })
		},
		Fill: func(tb testing.TB, name string, items []sourcetest.Item) {
			records := map[int32][]broker.Record{}
			for i, item := range items {
				r := broker.Record{Millis: brokertest.Now}
				if !item.NullKey {
					r.Key = []byte(item.Key)
				}
				if !item.NullValue {
					r.Value = []byte(item.Value)
				}
				records[int32(i%2)] = append(records[int32(i%2)], r)
			}
			for p := range int32(2) {
				for len(records[p]) > 0 {
					n := min(50, len(records[p])) // small batches, so that there are many positions
					brokertest.Send(tb, producer, broker.TopicPartition{Topic: w.topic(tb, name), Partition: p}, records[p][:n]...)
					records[p] = records[p][n:]
				}
			}
		},
		Item:      func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Bounded:   true,
		Unordered: true,
		Records:   1000,
		Idle:      200 * time.Millisecond,
		Secrets:   []string{portaltest.Token},
		Unreachable: func(testing.TB) source.Source[*string, *string] {
			p := portaltest.New(&portaltest.Workspace{ID: workspace, Connection: map[string]any{"bootstrap.servers": "127.0.0.1:1"}, Topics: []portaltest.Topic{
				{ID: "t", Name: "t", Status: "Ready"},
			}})
			return (&there{Portal: p}).source("t", func(o *quix.Options[*string, *string]) { o.Kafka.Timeout = 100 * time.Millisecond })
		},
	})
}

func TestMistakesAreErrorsOfConnect(t *testing.T) {
	t.Parallel()
	w := newThere(t)
	w.Add(workspace, portaltest.Topic{ID: "b", Name: "broken", Status: "Error", LastError: "no space"})
	w.Add(workspace, portaltest.Topic{ID: "gone", Name: "gone", Status: "Ready"})
	for _, c := range []struct {
		topic  string
		change func(*quix.Options[*string, *string])
		is     error
		text   string
	}{
		{"unknown", nil, weir.ErrUnknownTopic, `source/quix: topic "unknown" of workspace "acme-prod": unknown topic or partition: GET https://portal.test/acme-prod/topics/unknown: status 404`},
		{"unknown", func(o *quix.Options[*string, *string]) { o.Workspace = "" }, portal.ErrWorkspace, `source/quix: topic "unknown" of Quix Cloud: workspace: topic "unknown" is in none of`},
		{"broken", nil, portal.ErrTopic, `"broken" is in the state of an error: no space`},
		{"gone", nil, weir.ErrUnknownTopic, `topic "gone" of the cluster at`},
		{"x", func(o *quix.Options[*string, *string]) { o.Workspace = "acme" }, portal.ErrWorkspace, `"acme" is neither the id nor the name`},
		{"x", func(o *quix.Options[*string, *string]) { o.Portal.Token = secret.New("wr0ng-token") }, weir.ErrUnauthorized, "the token is wrong"},
		{"x", func(o *quix.Options[*string, *string]) { o.Portal.URL = "x" }, weir.ErrConfiguration, "want https://host"},
		{"x", func(o *quix.Options[*string, *string]) { o.TopicTimeout = -1 }, weir.ErrConfiguration, "TopicTimeout"},
		{"x", func(o *quix.Options[*string, *string]) {
			o.Kafka.Connection = kafka.Connection{Brokers: []string{"a:1"}}
		}, weir.ErrConfiguration, "Options.Kafka.Connection is set"},
	} {
		s := w.source(c.topic, c.change)
		err := s.Connect(brokertest.Within(t))
		if !errors.Is(err, c.is) {
			t.Errorf("%v: got %v", s, err)
			continue
		}
		if text := fmt.Sprint(err); !strings.Contains(text, c.text) || strings.Contains(text, "wr0ng-token") {
			t.Errorf("got %s, want %q", text, c.text)
		}
	}
	for _, request := range w.Requests() {
		if request[:3] != "GET" {
			t.Errorf("the source has sent %s", request)
		}
	}
}

// A program names the workspace that it reads, and its token.
func Example() {
	token := "sdk-..."
	orders := stream.NewTopic("orders", codec.Bytes(), codec.Bytes())
	t := stream.NewTopology()
	t.AddSource(quix.New(orders, quix.Options[[]byte, []byte]{
		Portal:    portal.Config{URL: "https://portal-api.platform.quix.io", Token: secret.New(token)},
		Workspace: "acme-prod",
		Kafka:     sourcekafka.Options[[]byte, []byte]{Start: sourcekafka.Latest()},
	}), orders)
	fmt.Println(t.Validate())
	// Output: <nil>
}
