package globaltable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// askForEnds asks the cluster whether the ends that the tables wait for still exist.
func (g *Tables) askForEnds(ctx context.Context) error {
	for _, t := range g.tables {
		if t.loaded {
			continue
		}
		tps := t.all()
		ends, err := g.cluster.Offsets(ctx, broker.End, tps...)
		switch {
		case errors.Is(err, weir.ErrUnavailable):
			continue
		case err != nil:
			return t.failed(err)
		}
		for i, tp := range tps {
			p := &t.partitions[i]
			p.end, p.target = ends[tp], min(p.target, ends[tp])
		}
		t.check(g.heard)
	}
	return nil
}

// lookForPartitions begins to read partitions that were added to topics.
func (g *Tables) lookForPartitions(ctx context.Context) error {
	now := g.config.Clock.Now()
	if now.Sub(g.looked) < newPartitionsInterval {
		return nil
	}
	g.looked = now
	for _, t := range g.tables {
		infos, err := g.cluster.Topics(ctx, t.topic)
		if errors.Is(err, weir.ErrUnavailable) {
			return nil
		}
		if err != nil {
			return t.failed(err)
		}
		info, ok := infos[t.topic]
		if !ok && !t.gone {
			t.log.Warn("the topic of a global table does not exist any more; the table stays as it is")
		}
		t.gone = !ok
		for n := int32(len(t.partitions)); n < info.Partitions; n++ {
			t.log.Info("the topic of a global table has got another partition", "partition", n)
			t.partitions = append(t.partitions, partition{})
			g.fetcher.Start(broker.TopicPartition{Topic: t.topic, Partition: n}, 0)
		}
	}
	return nil
}

// newPartitionsInterval is how often partitions are looked for that the topics of global tables have got.
const newPartitionsInterval = time.Minute

// endCheck is how long no batch comes, while tables are loaded, before the cluster is asked whether there is anything to wait for.
const endCheck = time.Second

// outOfRange handles an error of the fetcher about a partition. Records that retention has removed before the table was loaded are
// none that belong to it. Later, a table that goes on would be one that no start finds.
func (g *Tables) outOfRange(out *broker.OffsetOutOfRangeError) error {
	t := g.tableOf(out.Topic)
	p := &t.partitions[out.Partition]
	if t.loaded || out.Offset > out.End {
		return t.failed(fmt.Errorf("%w: records were removed before they were read, or the topic was made anew; start again to read it anew", out))
	}
	t.log.Warn("records were removed while a global table was read; going on with what is left", "error", out)
	p.position = out.Earliest
	g.fetcher.Start(out.TopicPartition, p.position)
	t.check(g.config.Clock.Now())
	return nil
}
