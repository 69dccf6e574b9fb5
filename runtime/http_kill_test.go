package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/http"
	"github.com/weirstreams/weir/stream"
)

// httpChild is a process that sends a topic to a service.
type httpChild struct {
	Brokers                          []string
	Group, StateDir, Instance, Input string
	URL                              string
}

const (
	// httpBatch is the number of records in its requests.
	httpBatch = 7
	// httpRecords is more than there are in a partition. A value is the offset of its record, and so much for each partition before.
	httpRecords = 10_000
)

func (c *httpChild) run() int {
	topology := stream.NewTopology()
	topology.From(texts(c.Input)).Sink("service", http.New(c.URL, http.Options[string, string]{MaxRecords: httpBatch}))
	app, err := runtime.New(topology, runtime.Config{
		Connection: kafka.Connection{Brokers: c.Brokers}, Group: c.Group, Workers: 2,
		State: runtime.StateConfig{Dir: c.StateDir, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: 50 * time.Millisecond},
		Membership: runtime.MembershipConfig{InstanceID: c.Instance, SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second},
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err == nil {
		err = app.Run(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// idempotentService takes each request once, by its key.
type idempotentService struct {
	mu       sync.Mutex // guards what follows
	keys     map[string]bool
	times    map[string]int // how often each value was taken
	bodies   map[string]int // how often each body was taken
	partial  int            // records in requests with less than a block
	repeated int            // requests
	crossing []string       // bodies with records of two blocks
}

func (s *idempotentService) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	var values []string
	if err := json.NewDecoder(r.Body).Decode(&values); err != nil || len(values) == 0 {
		w.WriteHeader(nethttp.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if s.keys[key] {
		s.repeated++
		return
	}
	s.keys[key] = true
	for _, v := range values {
		s.times[v]++
	}
	s.bodies[fmt.Sprint(values)]++
	if len(values) < httpBatch {
		s.partial += len(values)
	}
	if block(values[0]) != block(values[len(values)-1]) {
		s.crossing = append(s.crossing, fmt.Sprint(values))
	}
}

// block returns the block of offsets that a request has at most, of a value.
func block(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		return -1
	}
	return n % httpRecords / httpBatch
}

// seen returns how many values were taken.
func (s *idempotentService) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// A process that is killed again and again loses nothing. A service that knows idempotency keys takes no request twice. How many records a
// checkpoint has depends on the load of the machine, before a kill and after it; requests end with blocks of offsets nevertheless, so that
// only the requests at the ends of checkpoints may have some of their records in another request too.
func TestKilledProcessesLoseNothingOnTheWayToAService(t *testing.T) {
	kafkatest.Parallel(t)
	const partitions, records = 2, httpRecords
	kills := longtest.Cases(2, 20)
	k := newKafka(t)
	s := &idempotentService{keys: map[string]bool{}, times: map[string]int{}, bodies: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	in := k.Topic(t, "in", partitions)
	for p := range int32(partitions) {
		k.write(in, p, numbers(int(p)*records, int(p)*records+400)...)
	}
	c := httpChild{Brokers: k.Brokers, Group: k.group, StateDir: t.TempDir(), Instance: "member", Input: in, URL: server.URL}
	written := 400
	random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	m := start(t, child{HTTP: &c})
	for killed := range kills {
		before := s.seen()
		await(t, fmt.Sprintf("progress after %d kills", killed), func() bool { return s.seen() > before+random.IntN(100) || s.seen() == partitions*written })
		for p := range int32(partitions) { // so that there is work at the kill
			k.write(in, p, numbers(int(p)*records+written, int(p)*records+written+100)...)
		}
		written += 100
		if err := m.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-m.exited
		m = start(t, child{HTTP: &c})
	}
	await(t, "the end of the input", func() bool { return s.seen() == partitions*written })
	if err := m.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	m.awaitExit()
	s.mu.Lock()
	defer s.mu.Unlock()
	twice := 0
	for p := range partitions {
		for n := p * records; n < p*records+written; n++ {
			times := s.times[strconv.Itoa(n)]
			if times == 0 {
				t.Errorf("record %d is lost", n)
			}
			twice += times - 1
		}
	}
	t.Logf("%d kills, %d repeated requests that the service knew, %d records twice", kills, s.repeated, twice)
	for body, times := range s.bodies {
		if times > 1 {
			t.Errorf("the request with %s was taken %d times, under as many keys", body, times)
		}
	}
	if len(s.crossing) > 0 {
		t.Errorf("requests have records of two blocks: %s", s.crossing)
	}
	if twice > s.partial {
		t.Errorf("%d records were taken twice, and only %d were in requests with less than a block", twice, s.partial)
	}
}
