package runtime_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
)

// A cluster that is away for too long ends the application with an error that says so, whether it had something to do or
// not. The next one goes on from the last checkpoint.
func TestAnOutageThatIsTooLongEndsTheApplication(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		for name, busy := range map[string]bool{"idle": false, "with work to check in": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				k := newKafka(t)
				proxy := k.StartProxy(t)
				p := pipeline{input: k.Topic(t, "in", 2), output: k.Topic(t, "out", 2)}
				config := k.config()
				config.Guarantee, config.Connection.Sarama, config.BrokerTimeout = g, proxy.Detour().Take, 2*time.Second
				config.Checkpoint.Records, config.Checkpoint.Interval = 0, time.Second
				config.Membership.SessionTimeout = k.SessionTimeout()
				app := run(t, p.topology(), config)
				k.write(p.input, 0, numbers(0, 20)...)
				if busy {
					app.awaitProcessed(20)
				} else {
					await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 20 })
				}
				begun := time.Now()
				proxy.Block(true)
				err := app.failure()
				took := time.Since(begun)
				if !errors.Is(err, weir.ErrUnavailable) || !strings.Contains(err.Error(), "Config.BrokerTimeout") {
					t.Fatalf("got %v", err)
				}
				if took < config.BrokerTimeout || took > config.BrokerTimeout+20*time.Second {
					t.Errorf("ended after %v", took)
				}
				proxy.Block(false)
				app = run(t, p.topology(), config)
				k.write(p.input, 0, numbers(20, 40)...)
				await(t, "everything", func() bool { return k.committed(p.input, 0) == 40 })
				app.stop()
				if g == runtime.ExactlyOnce {
					k.checkTotalsExactly(p.output, numbers(0, 40))
				} else {
					k.checkTotals(p.output, numbers(0, 40))
				}
			})
		}
	})
}

// A shorter outage is waited for. Nothing is lost and, exactly once, nothing counts twice. It is logged when it begins,
// and not again with each try.
func TestAShortOutageIsSurvivedAndLoggedOnce(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		proxy := k.StartProxy(t)
		p := pipeline{input: k.Topic(t, "in", 2), output: k.Topic(t, "out", 2)}
		config, log := k.loggingConfig()
		config.Guarantee, config.Connection.Sarama, config.BrokerTimeout = g, proxy.Detour().Take, patience
		config.Checkpoint.Interval = 500 * time.Millisecond
		app := run(t, p.topology(), config)
		var written int
		for outage := range 3 {
			k.write(p.input, 0, numbers(written, written+50)...)
			written += 50
			if outage != 1 { // the second one comes in the middle of the work
				await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == int64(written) })
			}
			before := log.warnings()
			proxy.Block(true)
			k.write(p.input, 0, numbers(written, written+50)...)
			written += 50
			over := time.After(3 * time.Second)
			<-over
			during := log.warnings()
			proxy.Block(false)
			await(t, "the work of the outage", func() bool { return k.committed(p.input, 0) == int64(written) })
			for message, n := range during {
				if n -= before[message]; n > 1 {
					t.Errorf("outage %d: %d times: %s", outage, n, message)
				}
			}
		}
		app.stop()
		if g == runtime.ExactlyOnce {
			k.checkTotalsExactly(p.output, numbers(0, written))
		} else {
			k.checkTotals(p.output, numbers(0, written))
		}
	})
}
