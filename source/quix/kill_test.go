package quix_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/portaltest"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source/quix"
	"github.com/weirstreams/weir/stream"
)

// member is a process that brings a topic of a workspace by a topic of its own into files.
type member struct {
	killtest.Member
	Portal, Topic, Out string
}

func (c *member) run() error {
	t := stream.NewTopology()
	orders := stream.NewTopic("orders", codec.String(), codec.String())
	t.FromSource(quix.New(orders, quix.Options[string, string]{
		Portal: portal.Config{URL: c.Portal, Token: secret.New(portaltest.Token)}, Workspace: workspace,
	}), stream.NewTopic(c.Topic, codec.String(), codec.String())).Sink("archive", file.New(c.Out, file.Options[string, string]{}))
	return c.Run(t)
}

// Whatever is killed, and whenever: each record of the workspace is copied once. Each process asks the portal anew.
func TestKilledMembersCopyEachRecordOnce(t *testing.T) {
	w := newThere(t)
	server := httptest.NewServer(w.Portal)
	defer server.Close()
	kills := longtest.Cases(4, 10)
	var want []string
	records := map[int32][]broker.Record{}
	for i := range 200 * kills {
		want = append(want, fmt.Sprintf("r%05d", i))
		records[int32(i%2)] = append(records[int32(i%2)], broker.Record{Key: []byte("k"), Value: []byte(want[i]), Millis: brokertest.Now})
	}
	producer := brokertest.NewProducer(t, brokertest.Open(t, w.Kafka), broker.ProducerConfig{})
	for p, all := range records {
		for batch := range slices.Chunk(all, 20) { // so that there are many positions
			brokertest.Send(t, producer, broker.TopicPartition{Topic: w.topic(t, "orders"), Partition: p}, batch...)
		}
	}
	c := member{
		Member: killtest.Member{Brokers: w.Brokers, Group: w.Name("group"), Guarantee: runtime.ExactlyOnce, Interval: 30 * time.Millisecond},
		Portal: server.URL, Topic: w.Kafka.Topic(t, "copy", 2), Out: t.TempDir(),
	}
	read := func() (texts []string) {
		_, records := filetest.ReadAll(t, c.Out, format.JSONLines[string, string]{})
		for _, r := range records {
			texts = append(texts, r.Value)
		}
		return texts
	}
	killtest.Run(t, c, killtest.Plan{Processes: 2, Kills: kills, Total: len(want), Step: 80, Progress: func() int { return len(read()) }})
	got := read()
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if asked := len(w.Requests()); asked <= 4*2 { // those of the first two
		t.Errorf("the portal had %d requests", asked)
	}
}
