package murmur2_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/murmur2"
)

// The hashes are those of Kafka's own test (UtilsTest.testMurmur2) and of the client that the reference describes.
func TestSumIsThatOfTheJavaClient(t *testing.T) {
	for key, want := range map[string]int32{
		"":                           275646681,
		"21":                         -973932308,
		"foobar":                     -790332482,
		"abc":                        479470107,
		"key":                        -1079937367,
		`"abc123"`:                   1631330942,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
	} {
		if got := int32(murmur2.Sum([]byte(key))); got != want {
			t.Errorf("Sum(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestPartitionOfKeys(t *testing.T) {
	for _, c := range []struct {
		key     []byte
		n, want int32
	}{
		{nil, 2, 1},
		{nil, 6, 3},
		{[]byte{}, 10, 1},
		{[]byte("foobar"), 10, 6},
		{[]byte("abc"), 6, 3},
		{[]byte("key"), 3, 1},
	} {
		if got := murmur2.Partition(c.key, c.n); got != c.want {
			t.Errorf("Partition(%q, %d) = %d, want %d", c.key, c.n, got, c.want)
		}
	}
}
