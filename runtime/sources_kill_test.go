package runtime_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/stream"
)

// sourceChild is a process that reads a source: a shelf or, if Queue is set, the queue of a server.
type sourceChild struct {
	Brokers                     []string
	Group, StateDir, Instance   string
	Raw, Result                 string // topics
	Exactly                     bool
	Queue                       string
	Splits, Records, ReadMillis int
}

func (c *sourceChild) run() int {
	topology := stream.NewTopology()
	var from source.Source[string, string] = &shelf{splits: c.Splits, records: c.Records, wait: time.Duration(c.ReadMillis) * time.Millisecond}
	if c.Queue != "" {
		from = &queueSource{c.Queue}
	}
	topology.FromSourceWith(source.Options{Name: "s", Slots: 4}, from, texts(c.Raw)).Map(strings.ToUpper).To(texts(c.Result))
	config := runtime.Config{
		Connection: kafka.Connection{Brokers: c.Brokers}, Group: c.Group, Workers: 2,
		State: runtime.StateConfig{Dir: c.StateDir, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: 50 * time.Millisecond},
		Membership: runtime.MembershipConfig{InstanceID: c.Instance, SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second},
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if c.Exactly {
		config.Guarantee = runtime.ExactlyOnce
	}
	app, err := runtime.New(topology, config)
	if err == nil {
		err = app.Run(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// killing runs two members of a source's application and kills one again and again, while there is progress.
func (k *testCluster) killing(c sourceChild, kills int, done func() bool) {
	k.t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	c.Brokers, c.Group = k.Brokers, k.group
	var members [2]*process
	dirs := [2]string{k.t.TempDir(), k.t.TempDir()}
	begin := func(i int) {
		c := c
		c.StateDir, c.Instance = dirs[i], fmt.Sprint("member-", i)
		members[i] = start(k.t, child{Source: &c})
	}
	for i := range members {
		begin(i)
	}
	alive := func() {
		for i, m := range members {
			select {
			case <-m.exited:
				k.t.Fatalf("member %d has ended: %s", i, m.output.String())
			default:
			}
		}
	}
	for killed := range kills {
		before := k.offset(broker.Latest, broker.TopicPartition{Topic: c.Result})
		await(k.t, fmt.Sprintf("progress after %d kills", killed), func() bool {
			alive()
			return k.offset(broker.Latest, broker.TopicPartition{Topic: c.Result}) > before+int64(random.IntN(20)) || done()
		})
		i := random.IntN(len(members))
		if err := members[i].Process.Kill(); err != nil {
			k.t.Fatal(err)
		}
		<-members[i].exited
		if random.IntN(4) == 0 { // for good: the other machine has nothing of the state
			if err := os.RemoveAll(dirs[i]); err != nil {
				k.t.Fatal(err)
			}
		}
		begin(i)
	}
	await(k.t, "the end of the sources", func() bool { alive(); return done() })
	for _, m := range members {
		if err := m.Process.Signal(os.Interrupt); err != nil {
			k.t.Fatal(err)
		}
		m.awaitExit()
	}
}

// counts returns how often each value is in a topic, for readers of committed records.
func (k *testCluster) counts(topic string) map[string]int {
	counts := map[string]int{}
	for _, v := range k.readValues(topic) {
		counts[v]++
	}
	return counts
}

// Whatever is killed, a source that can be read again is exactly once in an application that is, and loses nothing in one that is not.
func TestKilledMembersReadAReplayableSourceAsTheGuaranteeSays(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		k := newKafka(t)
		kills := longtest.Cases(2, 20)
		c := sourceChild{
			Raw: k.Topic(t, "raw", 2), Result: k.Topic(t, "result", 1), Exactly: g == runtime.ExactlyOnce, Splits: 10, Records: 40 * kills, ReadMillis: 20,
		}
		want := (&shelf{splits: c.Splits, records: c.Records}).want()
		k.killing(c, kills, func() bool { return len(k.counts(c.Result)) >= len(want) })
		for topic, f := range map[string]func(string) string{c.Raw: strings.Clone, c.Result: strings.ToUpper} {
			counts := k.counts(topic)
			repeated := 0
			for _, v := range want {
				n := counts[f(v)]
				delete(counts, f(v))
				switch {
				case n == 0:
					t.Fatalf("%s: %q is missing", topic, f(v))
				case n > 1:
					repeated++
				}
			}
			if len(counts) > 0 || c.Exactly && repeated > 0 {
				t.Errorf("%s: %d of %d records are repeated, and there are others: %v", topic, repeated, len(want), counts)
			}
			t.Logf("%s: %d of %d records are repeated", topic, repeated, len(want))
		}
		if c.Exactly {
			k.checkOrder(c.Raw)
		}
	})
}

// checkOrder checks that the records of each split are in order.
func (k *testCluster) checkOrder(topic string) {
	k.t.Helper()
	next := map[string]int{}
	for _, r := range k.read(topic) {
		split, number, _ := strings.Cut(string(r.Value), ":")
		n, err := strconv.Atoi(number)
		if err != nil || n != next[split] {
			k.t.Fatalf("%s: %q came when %d was next", topic, r.Value, next[split])
		}
		next[split]++
	}
}

// A queue gives records again that are not acknowledged. None is lost, with either guarantee: acknowledgements come after the commit.
func TestKilledMembersLoseNothingOfAQueue(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		k := newKafka(t)
		kills := longtest.Cases(2, 20)
		c := sourceChild{Raw: k.Topic(t, "raw", 2), Result: k.Topic(t, "result", 1), Exactly: g == runtime.ExactlyOnce}
		q := &queueServer{records: 150 * kills}
		server := httptest.NewServer(q)
		defer server.Close()
		c.Queue = server.URL
		var want []string
		for i := range q.records {
			want = append(want, fmt.Sprint("M", i))
		}
		slices.Sort(want)
		k.killing(c, kills, func() bool {
			return q.isEmpty() && len(k.counts(c.Result)) >= q.records
		})
		counts := k.counts(c.Result)
		var got []string
		for v := range counts {
			got = append(got, v)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		t.Logf("%d records came again, as the queue has given them again", len(k.read(c.Result))-len(got))
	})
}

// queueServer is a queue: POST /open begins behind the last acknowledged record, /read gives the next ones, /ack takes records off.
type queueServer struct {
	records int

	mu           sync.Mutex // guards the fields below
	given        int
	acknowledged int
	session      int
}

// isEmpty reports whether all records are acknowledged.
func (q *queueServer) isEmpty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.acknowledged == q.records
}

func (q *queueServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	session, _ := strconv.Atoi(r.FormValue("session"))
	switch {
	case r.URL.Path == "/open":
		q.session++
		q.given = q.acknowledged
		json.NewEncoder(w).Encode(q.session)
	case session != q.session:
		http.Error(w, "another session has the queue", http.StatusConflict)
	case r.URL.Path == "/read":
		var numbers []int
		for len(numbers) < 5 && q.given < q.records {
			numbers = append(numbers, q.given)
			q.given++
		}
		json.NewEncoder(w).Encode(numbers)
	case r.URL.Path == "/ack":
		to, _ := strconv.Atoi(r.FormValue("to"))
		q.acknowledged = max(q.acknowledged, to)
	}
}

// queueSource reads a queueServer.
type queueSource struct{ url string }

func (s *queueSource) Connect(context.Context) error { return nil }
func (s *queueSource) Close(context.Context) error   { return nil }
func (s *queueSource) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	return []source.Split{{ID: "queue"}}, nil
}

func (s *queueSource) call(ctx context.Context, path string, result any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(string(body))
	}
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(body, result)
}

func (s *queueSource) Open(ctx context.Context, _ source.Task, _ source.Split, _ []byte) (source.Reader[string, string], error) {
	r := &queueReader{queueSource: s}
	return r, s.call(ctx, "/open", &r.session)
}

type queueReader struct {
	*queueSource
	session int
}

func (r *queueReader) Read(ctx context.Context, into *source.Batch[string, string]) error {
	var numbers []int
	if err := r.call(ctx, fmt.Sprint("/read?session=", r.session), &numbers); err != nil {
		return err
	}
	for _, n := range numbers {
		into.Records = append(into.Records, weir.Record[string, string]{Key: "k", Value: fmt.Sprint("m", n)})
		into.Position = binary.BigEndian.AppendUint64(nil, uint64(n+1))
	}
	return &weir.RetryLaterError{RetryAfter: 5 * time.Millisecond}
}

func (r *queueReader) Acknowledge(ctx context.Context, position []byte) error {
	return r.call(ctx, fmt.Sprint("/ack?session=", r.session, "&to=", binary.BigEndian.Uint64(position)), nil)
}
func (r *queueReader) Close() error { return nil }
