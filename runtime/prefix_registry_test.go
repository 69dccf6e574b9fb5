package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/stream"
)

// subjects is a schema registry in this process that notes the subjects that it is asked for.
type subjects struct {
	*srfake.Registry
	url string

	mu    sync.Mutex
	asked map[string]bool
}

func startSubjects(t testing.TB) *subjects {
	t.Helper()
	s := &subjects{Registry: srfake.NewRegistry(), asked: map[string]bool{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *subjects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if rest, ok := strings.CutPrefix(r.URL.Path, "/subjects/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		s.asked[name] = true
	} else {
		s.asked[r.URL.Query().Get("subject")] = true
	}
	s.mu.Unlock()
	s.Handler().ServeHTTP(w, r)
}

// take returns the subjects since the last call, in order.
func (s *subjects) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.asked {
		names = append(names, name)
	}
	clear(s.asked)
	slices.Sort(names)
	return names
}

type numbered struct {
	N int `json:"n"`
}

// asking is a format that needs the schema of the writer, as Avro and Protobuf do.
type asking struct{ *jsonschema.Format[numbered] }

func (a asking) Reader(writer func() (registry.Schema, error)) (codec.Codec[numbered], error) {
	if _, err := writer(); err != nil {
		return nil, err
	}
	return a.Format.Reader(writer)
}

// codec returns a codec with a client, and so a cache, of its own.
func (s *subjects) codec(t testing.TB) codec.Codec[numbered] {
	t.Helper()
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(s.url), Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	format, err := jsonschema.New[numbered](`{"title":"Framed","type":"object","properties":{"n":{"type":"integer"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	return registry.Of(client, asking{format}, registry.Options{})
}

func TestTheSubjectOfATopicHasThePrefixWhereverTheTopicIsUsed(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	s := startSubjects(t)
	prefix := k.Name("prefix") + "-"
	in, out, rows := k.Name("in"), k.Name("out"), k.Name("rows")
	for _, name := range []string{in, out, rows} {
		if err := k.CreateTopics(t.Context(), broker.TopicSpec{Name: prefix + name, Partitions: 1, Replication: -1}); err != nil {
			t.Fatal(err)
		}
	}
	topic := func(name string, value codec.Codec[numbered]) stream.Topic[string, numbered] {
		return stream.NewTopic(name, codec.UTF8(), value)
	}
	wantSubjects := func(part string, want ...string) {
		t.Helper()
		slices.Sort(want)
		if diff := cmp.Diff(want, s.take()); diff != "" {
			t.Errorf("subjects of %s (-want +got):\n%s", part, diff)
		}
	}
	config := k.config()
	config.Prefix = prefix
	topology := stream.NewTopology()
	table := topology.GlobalTable(topic(rows, s.codec(t)))
	topology.From(topic(in, s.codec(t))).GroupByKeyWith(stream.Repartition[string, numbered]{Name: "again", Value: s.codec(t)}).
		JoinGlobalRecord(table, func(_ context.Context, r weir.Record[string, numbered]) (string, error) { return r.Key, nil },
			func(_ context.Context, r weir.Record[string, numbered], row numbered) (numbered, error) {
				return numbered{r.Value.N + row.N}, nil
			}).
		To(topic(out, s.codec(t)))
	a := app(t, topology, config)
	ctx := within(t)

	p, err := a.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sent := s.codec(t)
	record := func(n int) weir.Record[string, numbered] {
		return weir.Record[string, numbered]{Key: "k", Value: numbered{n}, Millis: now}
	}
	if err := errors.Join(p.Send(ctx, topic(rows, sent), record(40)), p.Send(ctx, topic(in, sent), record(2)), p.Flush(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	wantSubjects("the producer", prefix+in+"-value", prefix+rows+"-value")

	if err := a.RunUntil(ctx, runtime.Until{Outputs: 1}); err != nil {
		t.Fatal(err)
	}
	repartition := prefix + "repartition__" + config.Group + "--" + in + "--again"
	wantSubjects("the application", prefix+in+"-value", prefix+rows+"-value", repartition+"-value", prefix+out+"-value")

	c, err := a.Consumer(ctx, kafka.ConsumerOptions{Topics: []string{out}, Group: k.Name("reader")})
	if err != nil {
		t.Fatal(err)
	}
	var m *kafka.Message
	for m == nil && err == nil {
		m, err = c.Poll(ctx, time.Second)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := kafka.Decode(topic(out, s.codec(t)), m)
	if err != nil || r.Value.N != 42 || m.Topic != out {
		t.Errorf("got %+v of topic %s, %v", r, m.Topic, err)
	}
	wantSubjects("the consumer", prefix+out+"-value")
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
