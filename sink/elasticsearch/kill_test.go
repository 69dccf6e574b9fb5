package elasticsearch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/sink/elasticsearch"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic to two indexes: the newest document of each key, and all of them.
type pipeline struct {
	killtest.Member
	Topic, Newest, All, Engine string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	numbers := t.From(p.topic())
	numbers.Sink("newest", elasticsearch.New(p.Engine, elasticsearch.Options[string, int]{
		Index: p.Newest, Version: elasticsearch.OffsetVersion[string, int], MaxRecords: 37,
	}))
	numbers.Sink("all", elasticsearch.New(p.Engine, elasticsearch.Options[string, int]{
		Index: p.All, Mode: elasticsearch.Append, ID: elasticsearch.OffsetID[string, int], MaxRecords: 53, Gzip: true,
	}))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachDocumentOnce kills a process again and again that writes documents. One index must have the newest of each key, and the
// other one each record once.
func TestKilledPipelinesWriteEachDocumentOnce(t *testing.T) {
	e := newEngine(t, "WEIR_TEST_OPENSEARCH")
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 10)
	const keys = 7
	total := min(600*kills, 10_000) // as many as one search finds
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: strings.Trim(e.prefix, "-")},
		Topic:  k.Topic(t, "numbers", 3), Newest: e.create(t, "newest", "{}"), All: e.create(t, "all", "{}"), Engine: e.address,
	}
	newest := map[string]string{}
	for key := range keys {
		last := total - 1 - (total-1-key)%keys
		newest[fmt.Sprint("key", key)] = fmt.Sprintf(`{"value":%d}`, last)
	}
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 300,
		Progress: func() int {
			var answer struct{ Count int }
			e.do(t, "POST", "/"+p.All+"/_refresh", "", nil)
			e.do(t, "GET", "/"+p.All+"/_count", "", &answer)
			if answer.Count == total && !cmp.Equal(newest, e.documents(t, p.Newest)) {
				return total - 1 // the newest documents come as late
			}
			return answer.Count
		},
	})
	if diff := cmp.Diff(newest, e.documents(t, p.Newest)); diff != "" {
		t.Errorf("%d kills: the newest documents (-want +got):\n%s", kills, diff)
	}
	got := map[string]int{}
	for _, text := range e.documents(t, p.All) {
		got[text]++
	}
	for n := range total {
		if text := fmt.Sprintf(`{"value":%d}`, n); got[text] != 1 {
			t.Errorf("%d kills: %s is there %d times", kills, text, got[text])
		}
	}
	if len(got) != total {
		t.Errorf("%d kills: %d documents, want %d", kills, len(got), total)
	}
}
