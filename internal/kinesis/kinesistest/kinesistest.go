// Package kinesistest makes data streams on the emulators of Kinesis, and puts failures in front of them.
package kinesistest

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	weirkinesis "github.com/weirstreams/weir/internal/kinesis"
	"github.com/weirstreams/weir/secret"
)

// Secret is the secret key of all streams. The emulators take any.
const Secret = "weir-kinesis-secret"

// Moto and Kinesalite are variables with the addresses of the emulators. Only the second one ends shards as the service does.
const (
	Moto       = "WEIR_TEST_MOTO"
	Kinesalite = "WEIR_TEST_KINESALITE"
)

// Address returns the address of an emulator. It skips the test if there is none.
func Address(tb testing.TB, variable string) string {
	tb.Helper()
	address := os.Getenv(variable)
	if address == "" {
		tb.Skip("needs emulators of Kinesis: go run github.com/weirstreams/weir/internal/testserver moto,kinesalite -- go test")
	}
	return address
}

// New makes a stream with a number of shards at an address, for the time of the test.
func New(tb testing.TB, address string, shards int32) weirkinesis.Stream {
	tb.Helper()
	return Named(tb, address, "weir-"+strings.ToLower(rand.Text()[:12]), shards)
}

// Named is New for a stream with a name, which may be there.
func Named(tb testing.TB, address, name string, shards int32) weirkinesis.Stream {
	tb.Helper()
	s := At(address, name)
	ctx := context.WithoutCancel(tb.Context())
	client := Client(s)
	_, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &s.Name, ShardCount: &shards})
	if errors.As(err, new(*types.ResourceInUseException)) {
		return s
	}
	must(tb, err)
	Active(tb, s)
	tb.Cleanup(func() {
		if _, err := client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &s.Name}); !errors.As(err, new(*types.ResourceNotFoundException)) {
			must(tb, err)
		}
	})
	return s
}

// At names a stream at an address.
func At(address, name string) weirkinesis.Stream {
	return weirkinesis.Stream{Name: name, Endpoint: address, Region: "us-east-1", AccessKey: "weir", SecretKey: secret.New(Secret), Timeout: 10 * time.Second}
}

// Active waits until a stream is ready, also after its shards were split or merged.
func Active(tb testing.TB, s weirkinesis.Stream) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Minute)
	defer cancel()
	must(tb, kinesis.NewStreamExistsWaiter(Client(s), func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	}).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &s.Name}, time.Minute))
}

// Client returns a bare client.
func Client(s weirkinesis.Stream) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: s.Region,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey.Reveal(), ""),
	})
}

// Shards returns the shards of a stream.
func Shards(tb testing.TB, s weirkinesis.Stream) []types.Shard {
	tb.Helper()
	out, err := Client(s).ListShards(tb.Context(), &kinesis.ListShardsInput{StreamName: &s.Name})
	must(tb, err)
	return out.Shards
}

// Read returns the records of a stream, shard by shard.
func Read(tb testing.TB, s weirkinesis.Stream) (all []types.Record) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	client := Client(s)
	for _, shard := range Shards(tb, s) {
		at, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &s.Name, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		must(tb, err)
		for next := at.ShardIterator; next != nil; {
			out, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			must(tb, err)
			all = append(all, out.Records...)
			if next = out.NextShardIterator; len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0 {
				break
			}
		}
	}
	return all
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Middle returns the hash in the middle of a shard, where it can be split.
func Middle(tb testing.TB, shard types.Shard) string {
	tb.Helper()
	sum := new(big.Int)
	for _, bound := range []*string{shard.HashKeyRange.StartingHashKey, shard.HashKeyRange.EndingHashKey} {
		hash, ok := new(big.Int).SetString(aws.ToString(bound), 10)
		if !ok {
			tb.Fatalf("%q is no hash", aws.ToString(bound))
		}
		sum.Add(sum, hash)
	}
	return sum.Add(sum, big.NewInt(1)).Rsh(sum, 1).String()
}
