package sim

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The model of the partitioner agrees with franz-go, which follows the Java client too, and with Kafka's own test of the hash.
func TestTheModelOfThePartitionerIsThatOfOtherClients(t *testing.T) {
	for key, hash := range map[string]int32{ // UtilsTest.testMurmur2
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		const most = 1<<31 - 1
		if got, want := partitionOf([]byte(key), most), int32(uint32(hash)&most)%most; got != want {
			t.Errorf("%q: partition %d of %d, want %d", key, got, most, want)
		}
	}
	franz := kgo.StickyKeyPartitioner(nil).ForTopic("topic")
	random := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		key := make([]byte, random.IntN(20))
		for i := range key {
			key[i] = byte(random.IntN(256))
		}
		n := 1 + random.IntN(50)
		if got, want := partitionOf(key, int32(n)), franz.Partition(&kgo.Record{Key: key}, n); int(got) != want {
			t.Fatalf("%x: partition %d of %d, and franz-go says %d", key, got, n, want)
		}
	}
}
