package runtime_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

func planned(t *testing.T, topology *stream.Topology, config runtime.Config) *runtime.TopicPlan {
	t.Helper()
	app, err := runtime.New(topology, config)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := app.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestAPlanSaysWhatRunWouldMakeAndMakesNothing(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in := k.Topic(t, "in", 3)
	out := k.Name("out")
	config := k.config()
	config.Topics.Create = true
	changelog := "changelog__" + k.group + "--" + in + "--sum"
	for range 2 { // the second finds what the first has found
		plan := planned(t, pipeline{input: in, output: out}.topology(), config)
		var names []string
		for _, topic := range plan.Missing {
			names = append(names, topic.Name)
		}
		if diff := cmp.Diff([]string{changelog, out}, names); diff != "" || len(plan.Problems) > 0 {
			t.Errorf("is made (-want +got):\n%s%v", diff, plan.Problems)
		}
		text := plan.String()
		for _, want := range []string{"exists:\n  " + in + ": 3 partitions", "is made:\n  " + changelog + ": 3 partitions", "cleanup.policy=compact"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
}

func TestAPlanNamesAllThatIsWrong(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Name("in"), k.Name("out")
	plan := planned(t, pipeline{input: in, output: out}.topology(), k.config())
	if len(plan.Problems) != 2 || !strings.Contains(plan.String(), "is wrong, so that nothing is made:\n  topic \""+in+"\", declared at ") {
		t.Errorf("got\n%s", plan)
	}
}

func TestAPrefixStandsBeforeAllNamesOnTheCluster(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	prefix := k.Name("prefix") + "-"
	in, out := k.Name("in"), k.Name("out")
	for _, name := range []string{in, out} {
		if err := k.CreateTopics(t.Context(), broker.TopicSpec{Name: prefix + name, Partitions: 1, Replication: -1}); err != nil {
			t.Fatal(err)
		}
	}
	k.write(prefix+in, 0, numbers(0, 10)...)
	config := k.config()
	config.Prefix = prefix
	r := run(t, pipeline{input: in, output: out}.topology(), config)
	r.awaitProcessed(10)
	r.stop()
	if got := len(k.read(prefix + out)); got != 10 {
		t.Errorf("%d records were written, of 10", got)
	}
	k.group = prefix + k.group
	if got := k.committed(prefix+in, 0); got != 10 {
		t.Errorf("%d is committed", got)
	}
	changelog := prefix + "changelog__" + config.Group + "--" + in + "--sum"
	if topics, err := k.Topics(t.Context(), changelog); err != nil || topics[changelog].Partitions != 1 {
		t.Errorf("the changelog is not named %s: %v", changelog, err)
	}
	config.Prefix = "a/b"
	if _, err := runtime.New(pipeline{input: in, output: out}.topology(), config); err == nil || !strings.Contains(err.Error(), `Prefix "a/b"`) {
		t.Errorf("got %v", err)
	}
}

func TestAClusterThatCannotBeAskedIsAnErrorOfThePlan(t *testing.T) {
	t.Parallel()
	topology := stream.NewTopology()
	topology.From(stream.NewTopic("in", codec.String(), codec.String())).Peek(func(string) {})
	app, err := runtime.New(topology, runtime.Config{Connection: kafka.Connection{Brokers: []string{deadAddress}}, Group: "g", BrokerTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t)
	begun := time.Now()
	if _, err := app.Plan(ctx); err == nil || !strings.Contains(err.Error(), "no broker of the cluster can be reached") {
		t.Errorf("got %v after %v", err, time.Since(begun))
	}
}
