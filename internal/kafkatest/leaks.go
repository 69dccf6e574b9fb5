package kafkatest

import (
	"testing"

	"go.uber.org/goleak"
)

// VerifyTestMain runs the tests of a package that uses the Kafka client, ends the process, and makes it fail if they leave
// goroutines behind.
func VerifyTestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The client's metrics library keeps one goroutine for the life of the process.
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"),
		// A producer that failed leaves circuit breakers of the client behind, which sleep for up to 10 s.
		goleak.IgnoreAnyFunction("github.com/eapache/go-resiliency/breaker.(*Breaker).timer"))
}
