package runtime_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// weighed is a format that has to know the writer's schema, as that of Avro has.
type weighed struct{ *jsonschema.Format[int] }

func (f weighed) Reader(writer func() (registry.Schema, error)) (codec.Codec[int], error) {
	if _, err := writer(); err != nil {
		return nil, err
	}
	return f.Format, nil
}

// TestAnOutageOfTheRegistryDelaysRecordsAndLosesNone has the registry down when the first record of a schema comes, and
// again when the first output of a topic is written, with a policy that would skip whatever it is asked about.
func TestAnOutageOfTheRegistryDelaysRecordsAndLosesNone(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		t.Run(fmt.Sprint(guarantee), func(t *testing.T) {
			kafkatest.Parallel(t)
			k := newKafka(t)
			in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
			fake := srfake.NewRegistry()
			const schema = `{"type":"integer"}`
			fake.SeedSchema(in+"-value", 1, 7, sr.Schema{Type: sr.TypeJSON, Schema: schema})
			var reads, writes atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked := &reads
				if r.Method == http.MethodPost {
					asked = &writes
				}
				if asked.Add(1) <= 2 {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				fake.Handler().ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)

			config := k.config()
			config.Guarantee, config.Checkpoint.Interval = guarantee, 200*time.Millisecond
			config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
				t.Errorf("the policy was asked about: %v", err)
				return weir.Skip
			}
			r := run(t, weighing(t, server.URL, in, out), config)
			for i := range 6 {
				k.write(in, 0, framed(i+1))
			}
			want := []string{"1", "3", "6", "10", "15", "21"} // sums, which a record processed twice would spoil
			await(t, "all records", func() bool { return len(k.read(out)) >= len(want) })
			r.stop()
			var got []string
			for _, r := range k.read(out) {
				got = append(got, string(r.Value[5:])) // what follows the id of the schema
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("got %v, want %v", got, want)
			}
			if reads.Load() < 3 || writes.Load() < 3 {
				t.Errorf("the registry was asked %d times for what to read and %d times for what to write", reads.Load(), writes.Load())
			}
		})
	}
}

func TestAnOutageOfTheRegistryEndsTheRunWhenItLastsTooLong(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	config := k.config()
	config.CodecTimeout = time.Second
	k.write(in, 0, framed(1))
	began := time.Now()
	r := run(t, weighing(t, "http://"+deadAddress, in, out), config)
	<-r.done
	if err := r.err; !errors.Is(err, codec.ErrOutage) || !strings.Contains(err.Error(), "Config.CodecTimeout") || !strings.Contains(err.Error(), in+"[0] at offset 0") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took < config.CodecTimeout || took > config.CodecTimeout+20*time.Second {
		t.Errorf("it ended after %v", took)
	}
}

func framed(n int) broker.Record { return raw("a", "\x00\x00\x00\x00\x07"+fmt.Sprint(n)) }

// weighing sums up what it reads.
func weighing(t *testing.T, url, in, out string) *stream.Topology {
	t.Helper()
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(url), Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	format, err := jsonschema.New[int](`{"type":"integer"}`)
	if err != nil {
		t.Fatal(err)
	}
	values := registry.Of(client, weighed{format}, registry.Options{})
	sums := store.NewCell[int]("sums")
	topology := stream.NewTopology()
	topology.From(stream.NewTopic(in, codec.String(), values)).
		MapState(sums, func(c *store.Cell[int], v int) int {
			sum, _ := c.Get()
			c.Set(sum + v)
			return sum + v
		}).
		To(stream.NewTopic(out, codec.String(), values))
	return topology
}
