package runtime_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
)

func (k *testCluster) admin() sarama.ClusterAdmin {
	k.t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(k.Brokers, c)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { admin.Close() })
	return admin
}

// commit sets the offset that the group, which has no members, has committed.
func (k *testCluster) commit(topic string, partition int32, offset int64) {
	k.t.Helper()
	p, err := k.NewProducer(broker.ProducerConfig{TransactionalID: k.Name("commit")})
	if err != nil {
		k.t.Fatal(err)
	}
	defer p.Close()
	offsets := map[broker.TopicPartition]int64{{Topic: topic, Partition: partition}: offset}
	if err := p.Commit(within(k.t), broker.GroupMember{Group: k.group, Generation: -1}, offsets, nil); err != nil {
		k.t.Fatal(err)
	}
}

// K-43.
func TestLostInput(t *testing.T) {
	kafkatest.Parallel(t)
	// All of them have processed 0 to 19. What is left of the input afterwards:
	for name, lost := range map[string]struct {
		lose func(*testing.T, *testCluster, string)
		// left are the numbers that a partition holds that were not processed, or not by what is known of it.
		left []broker.Record
		end  int64
	}{
		"retention was faster": {
			lose: func(t *testing.T, k *testCluster, input string) {
				k.write(input, 0, numbers(20, 40)...)
				if err := k.admin().DeleteRecords(input, map[int32]int64{0: 30}); err != nil {
					t.Fatal(err)
				}
			},
			left: numbers(30, 40), end: 40,
		},
		"the log has lost its last records": {
			// It is the same topic, so that everything that is left was processed.
			lose: func(_ *testing.T, k *testCluster, input string) { k.commit(input, 0, 1000) },
			end:  20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			guarantees(t, func(t *testing.T, g runtime.Guarantee) {
				t.Parallel()
				k := newKafka(t)
				p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
				config := k.config()
				config.Guarantee, config.Checkpoint.Interval = g, 100*time.Millisecond
				k.write(p.input, 0, numbers(0, 20)...)
				app := run(t, p.topology(), config)
				await(t, "everything", func() bool { return k.committed(p.input, 0) == 20 })
				app.stop()
				lost.lose(t, k, p.input)
				before := k.committed(p.input, 0)

				err := run(t, p.topology(), config).failure()
				var out *broker.OffsetOutOfRangeError
				if !errors.As(err, &out) || !strings.Contains(err.Error(), "Config.Topics.OnLostInput") || !strings.Contains(err.Error(), p.input) {
					t.Fatalf("got %v", err)
				}
				if got := k.committed(p.input, 0); got != before {
					t.Errorf("the committed offset went from %d to %d", before, got)
				}

				all := append(numbers(0, 20), lost.left...)
				config.Topics.OnLostInput = runtime.LostInputContinues
				app = run(t, p.topology(), config)
				await(t, "what is left", func() bool { return k.committed(p.input, 0) == lost.end })
				app.stop()
				k.checkTotalsExactly(p.output, all)

				// Once more, with the other way to go on.
				k.commit(p.input, 0, 1000)
				config.Topics.OnLostInput = runtime.LostInputResets
				app = run(t, p.topology(), config)
				await(t, "the end", func() bool { return k.committed(p.input, 0) == lost.end })
				k.write(p.input, 0, numbers(100, 110)...)
				await(t, "what came then", func() bool { return k.committed(p.input, 0) == lost.end+10 })
				app.stop()
				want := totalsOf(t, all)
				for key, totals := range totalsOf(t, numbers(100, 110)) {
					want[key] = append(want[key], totals...)
				}
				k.checkTotalsAre(p.output, want)

				// The changelog says the same as the database.
				config.State.Dir = t.TempDir()
				k.write(p.input, 0, numbers(110, 120)...)
				app = run(t, p.topology(), config)
				await(t, "the rest", func() bool { return k.committed(p.input, 0) == lost.end+20 })
				app.stop()
				want = totalsOf(t, all)
				for key, totals := range totalsOf(t, numbers(100, 120)) {
					want[key] = append(want[key], totals...)
				}
				k.checkTotalsAre(p.output, want)
			})
		})
	}
}

// checkCommittedEpoch checks that the first partition of a topic is committed with the leader epoch of its last record.
func (k *testCluster) checkCommittedEpoch(topic string) {
	k.t.Helper()
	tp := broker.TopicPartition{Topic: topic}
	commits, err := k.Commits(within(k.t), k.group, tp)
	if err != nil {
		k.t.Fatal(err)
	}
	records := k.read(topic)
	if last := records[len(records)-1].LeaderEpoch; last < 0 || commits[tp].LeaderEpoch != last {
		k.t.Errorf("%s is committed with leader epoch %d, and its last record has %d", topic, commits[tp].LeaderEpoch, last)
	}
}

// The group is away for so long that the cluster forgets its offsets: the records do not count twice. In the second round the
// local state is lost too.
func TestForgottenOffsetsDoNotCountInputTwice(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval = g, 100*time.Millisecond
		for round := range 3 {
			k.write(p.input, 0, numbers(20*round, 20*round+20)...)
			app := run(t, p.topology(), config)
			await(t, "everything", func() bool { return k.committed(p.input, 0) == int64(20*round+20) })
			app.stop()
			k.checkCommittedEpoch(p.input)
			if err := k.admin().DeleteConsumerGroup(k.group); err != nil {
				t.Fatal(err)
			}
			if round == 1 {
				config.State.Dir = t.TempDir()
			}
		}
		k.checkTotalsExactly(p.output, numbers(0, 60))
	})
}

// A topic that is made anew while nobody looks, with as many records as the old one had, is another topic.
func TestATopicMadeAnewIsLostInputAlsoIfItHasTheCommittedOffset(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval = g, 100*time.Millisecond
		k.write(p.input, 0, numbers(0, 20)...)
		app := run(t, p.topology(), config)
		await(t, "everything", func() bool { return k.committed(p.input, 0) == 20 })
		app.stop()

		k.makeAnew(p.input)
		k.write(p.input, 0, numbers(20, 50)...)
		k.commit(p.input, 0, 20)
		if err := run(t, p.topology(), config).failure(); err == nil || !strings.Contains(err.Error(), "made anew") ||
			!strings.Contains(err.Error(), "Config.Topics.OnLostInput") {
			t.Fatalf("got %v", err)
		}
		config.Topics.OnLostInput = runtime.LostInputContinues
		app = run(t, p.topology(), config)
		await(t, "the new topic", func() bool { return k.committed(p.input, 0) == 30 })
		app.stop()
		k.checkTotalsExactly(p.output, numbers(0, 50))

		// One more topic, with less in it. The changelog has changes by the same offsets of all three topics, and is all that is left.
		k.makeAnew(p.input)
		k.write(p.input, 0, numbers(50, 52)...)
		app = run(t, p.topology(), config)
		await(t, "the third topic", func() bool { return k.committed(p.input, 0) == 2 })
		app.stop()
		config.State.Dir, config.Topics.OnLostInput = t.TempDir(), runtime.LostInputFails
		k.write(p.input, 0, numbers(52, 72)...)
		app = run(t, p.topology(), config)
		await(t, "the rest", func() bool { return k.committed(p.input, 0) == 22 })
		app.stop()
		k.checkTotalsExactly(p.output, numbers(0, 72))
	})
}

// A topic is made anew while the application reads it, with more records than the old one had, and with fewer.
func TestATopicMadeAnewUnderARunningApplicationIsLostInput(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval, config.Topics.OnLostInput = g, 100*time.Millisecond, runtime.LostInputContinues
		k.write(p.input, 0, numbers(0, 20)...)
		app := run(t, p.topology(), config)
		await(t, "everything", func() bool { return k.committed(p.input, 0) == 20 })
		k.makeAnew(p.input)
		k.write(p.input, 0, numbers(20, 50)...)
		await(t, "the new topic", func() bool { return k.committed(p.input, 0) == 30 })
		k.makeAnew(p.input)
		k.write(p.input, 0, numbers(50, 52)...)
		await(t, "the third topic", func() bool { return k.committed(p.input, 0) == 2 })
		app.stop()
		k.checkTotalsExactly(p.output, numbers(0, 52))

		config.State.Dir = t.TempDir()
		k.write(p.input, 0, numbers(52, 72)...)
		app = run(t, p.topology(), config)
		await(t, "the rest", func() bool { return k.committed(p.input, 0) == 22 })
		app.stop()
		k.checkTotalsExactly(p.output, numbers(0, 72))
	})
}

// makeAnew deletes a topic with one partition, and makes another one of that name.
func (k *testCluster) makeAnew(topic string) {
	k.t.Helper()
	k.deleteTopic(topic)
	admin := k.admin()
	await(k.t, "the topic made anew", func() bool {
		return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false) == nil
	})
	k.AwaitLeaders(k.t, topic, 1)
}
