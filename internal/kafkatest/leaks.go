package kafkatest

import (
	"flag"
	"os"
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

// ManyAtOnce lets more tests of a package run at once than there are processors, unless the flag -parallel gives the number. It is
// for packages with tests that mostly wait; TestMain calls it.
func ManyAtOnce() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return
	}
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err) // the testing package has no such flag any more
	}
}

// Parallel lets a test run beside others, like [testing.T.Parallel], if each has a broker of its own. On the cluster of
// WEIR_TEST_BROKERS it does nothing: there some tests disturb others.
func Parallel(t *testing.T) {
	t.Helper()
	if os.Getenv("WEIR_TEST_BROKERS") == "" {
		t.Parallel()
	}
}
