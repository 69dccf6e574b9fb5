package http_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/file"
	webhook "github.com/weirstreams/weir/source/http"
	"github.com/weirstreams/weir/stream"
)

func TestMain(m *testing.M) { killtest.Main(m.Run, (*member).run) }

// member is a process that brings requests by a topic into files.
type member struct {
	killtest.Member
	Topic, Address, Out string
}

func (c *member) run() error {
	t := stream.NewTopology()
	t.FromSource(webhook.New(webhook.Options[string, string]{
		Address: c.Address, Timeout: 5 * time.Second,
		Decode: func(_ *http.Request, body []byte) ([]weir.Record[string, string], error) {
			return []weir.Record[string, string]{{Value: string(body)}}, nil
		},
	}), stream.NewTopic(c.Topic, codec.String(), codec.String())).Sink("archive", file.New(c.Out, file.Options[string, string]{}))
	return c.Run(t)
}

// Whatever is killed, and whenever: what a sender has had a success for is there, and everything is at last, as the sender sends again.
func TestKilledMembersLoseNoRequestWithASuccess(t *testing.T) {
	for name, guarantee := range map[string]runtime.Guarantee{"at least once": runtime.AtLeastOnce, "exactly once": runtime.ExactlyOnce} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killed(t, guarantee)
		})
	}
}

func killed(t *testing.T, guarantee runtime.Guarantee) {
	k := kafkatest.Start(t)
	kills := longtest.Cases(1, 4)
	total := 300 * kills
	c := member{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Guarantee: guarantee, Interval: 30 * time.Millisecond},
		Topic:  k.Topic(t, "requests", 1), Address: freeAddress(t), Out: t.TempDir(),
	}
	read := func() (texts map[string]bool) {
		texts = map[string]bool{}
		_, records := filetest.ReadAll(t, c.Out, format.JSONLines[string, string]{})
		for _, r := range records {
			texts[r.Value] = true
		}
		return texts
	}
	ctx, cancel := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	defer senders.Wait()
	defer cancel()
	var next, answered atomic.Int64
	for range 8 {
		senders.Go(func() {
			for n := next.Add(1); n <= int64(total) && sendUntilItIsTaken(ctx, "http://"+c.Address, fmt.Sprint("r", n)); n = next.Add(1) {
				answered.Add(1)
			}
		})
	}
	killtest.Run(t, c, killtest.Plan{Kills: kills, Total: total, Step: 60, Progress: func() int {
		successes := int(answered.Load()) // first, as those behind it may not be in the files yet
		return min(successes, len(read()))
	}})
	texts := read()
	for n := range total {
		if !texts[fmt.Sprint("r", n+1)] {
			t.Errorf("request %d has had a success, and is not there", n+1)
		}
	}
}

// sendUntilItIsTaken sends a text again until the answer is a success. It reports false if ctx has ended.
func sendUntilItIsTaken(ctx context.Context, url, text string) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(text))
		if err != nil {
			return false
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusNoContent {
				return true
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// freeAddress returns an address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
