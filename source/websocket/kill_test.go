package websocket_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source/websocket"
	"github.com/weirstreams/weir/stream"
)

// member is a process that brings the messages of a server by a topic into files.
type member struct {
	killtest.Member
	Topic, Address, Out string
}

func (c *member) run() error {
	o := texts()
	o.StopAtClose = true
	t := stream.NewTopology()
	t.FromSource(websocket.New(c.Address, o), stream.NewTopic(c.Topic, codec.String(), codec.String())).
		Sink("archive", file.New(c.Out, file.Options[string, string]{}))
	return c.Run(t)
}

// Whatever is killed, and whenever: each message of a server that sends again is there once, and in order. The server cuts connections too.
func TestKilledMembersReadEachMessageOnce(t *testing.T) {
	k := kafkatest.Start(t)
	kills := longtest.Cases(4, 10)
	s := newServer(t)
	s.dropAfter, s.ends = 60, true
	var want []string
	for i := range 200 * kills {
		want = append(want, fmt.Sprint("m", i))
	}
	s.add(want...)
	c := member{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Guarantee: runtime.ExactlyOnce, Interval: 30 * time.Millisecond},
		Topic:  k.Topic(t, "messages", 1), Address: s.address(), Out: t.TempDir(),
	}
	read := func() (texts []string) {
		_, records := filetest.ReadAll(t, c.Out, format.JSONLines[string, string]{})
		for _, r := range records {
			texts = append(texts, r.Value)
		}
		return texts
	}
	killtest.Run(t, c, killtest.Plan{Processes: 2, Kills: kills, Total: len(want), Step: 80, Progress: func() int { return len(read()) }})
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
