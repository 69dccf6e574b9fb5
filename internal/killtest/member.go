// Package killtest runs pipelines in processes that tests kill.
//
// A test binary is the program of these processes too: its TestMain calls [Main]. A test describes each of its processes by a value, which the process gets
// as JSON, and calls [Run].
package killtest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// variable has the description of a process.
const variable = "WEIR_TEST_KILLED"

// Member describes a process as a member of an application. Tests embed it in descriptions of their own.
type Member struct {
	Brokers         []string
	Group, Instance string
	// StateDir is where the process has its state. Run sets it and Instance.
	StateDir string
	// Interval is the time between checkpoints; 100 ms by default.
	Interval time.Duration
	// Guarantee is that of the application.
	Guarantee runtime.Guarantee
}

func (m *Member) member() *Member { return m }

// Run runs a topology until the process is killed, or an error ends the application.
func (m *Member) Run(t *stream.Topology) error {
	interval := m.Interval
	if interval == 0 {
		interval = 100 * time.Millisecond
	}
	app, err := runtime.New(t, runtime.Config{
		Group: m.Group, Connection: kafka.Connection{Brokers: m.Brokers}, Guarantee: m.Guarantee, Workers: 2,
		State: runtime.StateConfig{Dir: m.StateDir, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: interval},
		Topics:     runtime.TopicConfig{Create: true},
		Membership: runtime.MembershipConfig{InstanceID: m.Instance, SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second},
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return app.Run(context.Background())
}

// SendBeside calls Send on a goroutine of its own. The test calls wait before it ends.
func (m *Member) SendBeside(t *testing.T, topic stream.Topic[string, int], total, keys int) (wait func()) {
	t.Helper()
	var sending sync.WaitGroup
	sending.Go(func() {
		if err := m.Send(t.Context(), topic, total, keys); err != nil {
			t.Error(err)
		}
	})
	return sending.Wait
}

// Send writes the numbers below total to a topic, in order. The key of a number is "key" and its remainder by keys.
func (m *Member) Send(ctx context.Context, topic stream.Topic[string, int], total, keys int) error {
	producer, err := kafka.NewProducer(ctx, kafka.Config{Connection: kafka.Connection{Brokers: m.Brokers}}, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	defer producer.Close()
	for n := range total {
		r := weir.Record[string, int]{Key: fmt.Sprint("key", n%keys), Value: n, Millis: time.Now().UnixMilli()}
		if err := producer.Send(ctx, topic, r); err != nil {
			return err
		}
	}
	return producer.Flush(ctx)
}

// Main calls tests, or run in a process that [Run] has started, and ends the process. TestMain calls it.
func Main[P any](tests func() int, run func(p *P) error) {
	text := os.Getenv(variable)
	if text == "" {
		os.Exit(tests())
	}
	var p P
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		err = run(&p)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
