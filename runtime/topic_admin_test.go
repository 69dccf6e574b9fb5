package runtime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// platform makes topics on a cluster, with no setting but the policy, and names them in its own way.
type platform struct {
	cluster broker.Cluster
	prefix  string
	refusal error // of AwaitTopics

	mu      sync.Mutex // guards the rest
	awaited []string
	made    []string
}

func (p *platform) TopicName(topic string) string { return p.prefix + "." + topic + ".v1" }

func (p *platform) AwaitTopics(_ context.Context, topics []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awaited = topics
	return p.refusal
}

func (p *platform) CreateTopics(ctx context.Context, topics []runtime.TopicSettings) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, topic := range topics {
		p.made = append(p.made, topic.Name)
		spec := broker.TopicSpec(topic)
		spec.Config = map[string]string{"cleanup.policy": spec.Config["cleanup.policy"]}
		if spec.Config["cleanup.policy"] == "" {
			spec.Config = nil
		}
		if err := p.cluster.CreateTopics(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

func TestAnAdminNamesAndMakesAllTopics(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := &platform{cluster: k, prefix: k.Name("platform")}
	in, out, elsewhere := "in", "out", "elsewhere"
	config := k.config()
	config.Topics.Create, config.Topics.Admin, config.Prefix = true, p, p.prefix+"-"
	topology := stream.NewTopology()
	texts := func(name string) stream.Topic[string, string] {
		return stream.NewTopic(name, codec.String(), codec.String())
	}
	counted := topology.From(texts(in)).GroupByKey("again").MapState(store.NewCell[int]("sum"), func(c *store.Cell[int], text string) string {
		n, _ := c.Get()
		c.Set(n + 1)
		return text
	})
	counted.To(texts(out))
	counted.ToDynamic(texts("template"), func(context.Context, weir.Record[string, string]) (string, error) { return elsewhere, nil })
	a := app(t, topology, config)
	if _, err := a.Plan(within(t)); err != nil {
		t.Fatal(err)
	}
	if len(p.made) > 0 {
		t.Errorf("Plan has made %v", p.made)
	}
	r := run(t, topology, config)
	await(t, "the input", func() bool {
		topics, err := k.Topics(within(t), p.TopicName(in))
		return err == nil && topics[p.TopicName(in)].Partitions > 0
	})
	k.write(p.TopicName(in), 0, numbers(0, 10)...)
	await(t, "the output", func() bool { return len(k.read(p.TopicName(elsewhere))) == 10 && len(k.read(p.TopicName(out))) == 10 })
	r.stop()
	repartition, changelog := "repartition__"+k.group+"--in--again", "changelog__"+k.group+"--repartition.in.again--sum"
	all := []string{p.TopicName(in), p.TopicName(out), p.TopicName(repartition), p.TopicName(changelog), p.TopicName("inventory__" + k.group)}
	slices.Sort(all)
	slices.Sort(p.awaited)
	if diff := cmp.Diff(all, p.awaited); diff != "" {
		t.Errorf("awaited (-want +got):\n%s", diff)
	}
	all = append(all, p.TopicName(elsewhere))
	slices.Sort(all)
	slices.Sort(p.made)
	if diff := cmp.Diff(all, p.made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	infos, err := k.Topics(within(t), p.TopicName(repartition), p.TopicName(changelog))
	if err != nil {
		t.Fatal(err)
	}
	if got := infos[p.TopicName(repartition)].Config["retention.ms"]; got != "-1" {
		t.Errorf("the repartition topic keeps records for %s ms", got)
	}
	if got := infos[p.TopicName(changelog)].Config["max.message.bytes"]; got != "1114124" {
		t.Errorf("the changelog has max.message.bytes=%s", got)
	}
	k.group = config.Prefix + k.group
	if got := k.committed(p.TopicName(repartition), 0); got != 10 {
		t.Errorf("%d is committed", got)
	}
}

func TestAnErrorOfAnAdminEndsRunBeforeTheFirstRecord(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	broken := errors.New("topic in is in the state of an error")
	config := k.config()
	config.Topics.Admin = &platform{cluster: k, prefix: k.Name("platform"), refusal: broken}
	a := app(t, pipeline{input: "in", output: "out"}.topology(), config)
	if _, err := a.Plan(within(t)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := a.Run(within(t)); !errors.Is(err, broken) || strings.Count(err.Error(), "state of an error") != 1 {
		t.Errorf("got %v", err)
	}
}
