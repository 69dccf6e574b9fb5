package kafkatest

import (
	"testing"

	"github.com/weirstreams/weir/internal/testserver/control"
)

// Crashable tells whether the tests run below internal/testserver, which can crash the broker. That disturbs every other
// test that uses it.
func Crashable() bool { return control.Available() }

// Crash kills the broker. [Kafka.Restart] brings it back.
func (k *Kafka) Crash(t testing.TB) { k.control(t, "kill") }

// Restart ends the broker in order if it runs, and starts it again, with the same address and data. It returns when the
// broker serves.
func (k *Kafka) Restart(t testing.TB) { k.control(t, "restart") }

func (k *Kafka) control(t testing.TB, verb string) {
	t.Helper()
	if err := control.Do(t.Context(), "kafka", verb); err != nil {
		t.Fatal(err)
	}
}
