package pubsub_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source/pubsub"
	"github.com/weirstreams/weir/stream"
)

// member is a process that brings the messages of a subscription by a topic into files.
type member struct {
	killtest.Member
	Topic, Address, Out string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*member).run) }

func (c *member) run() error {
	t := stream.NewTopology()
	t.FromSource(
		pubsub.New(pubsub.Project{ID: "project", Endpoint: c.Address}, pubsub.Options[string, string]{Subscription: "numbers", Window: 60, AckDeadline: 10 * time.Second}),
		stream.NewTopic(c.Topic, codec.String(), codec.String()),
	).Sink("archive", file.New(c.Out, file.Options[string, string]{}))
	return c.Run(t)
}

// A member is killed again and again. No message is lost: those that it held come again after their deadline.
func TestKilledMembersLoseNoMessage(t *testing.T) {
	s := pubsubtest.New(t)
	s.Subscription(t, "numbers")
	k := kafkatest.Start(t)
	const kills = 1 // each one waits for the deadline of Pub/Sub
	total := 300 * kills
	for n := range total {
		s.Fake.PublishOrdered(s.Topic(t, "numbers"), []byte(strconv.Itoa(n)), nil, fmt.Sprint("key", n%5))
	}
	c := member{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Interval: 30 * time.Millisecond},
		Topic:  k.Topic(t, "messages", 1), Address: s.Project.Endpoint, Out: t.TempDir(),
	}
	got := func() []string {
		_, all := filetest.ReadAll(t, c.Out, format.JSONLines[string, string]{})
		var values []string
		for _, r := range all {
			values = append(values, r.Value)
		}
		slices.Sort(values)
		return slices.Compact(values)
	}
	killtest.Run(t, c, killtest.Plan{Kills: kills, Total: total, Step: 100, Progress: func() int { return len(got()) }})
}
