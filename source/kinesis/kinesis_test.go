package kinesis_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/kinesis"
)

func TestARecordHasThePartitionKeyAsItsKey(t *testing.T) {
	t.Parallel()
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 1)
	type click struct {
		Page string `json:"page"`
	}
	put(t, s, [2]string{"ann", `{"page":"/"}`}, [2]string{"bob", ""})
	got, _ := read(t, open(t, s, kinesis.Options[string, click]{}))
	for i := range got {
		if age := time.Since(got[i].Time()); age < -time.Minute || age > time.Minute {
			t.Errorf("the time is %v", got[i].Time())
		}
		got[i].Millis = 0
	}
	want := []weir.Record[string, click]{{Key: "ann", Value: click{"/"}}, {Key: "bob", ValueNull: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got, _ := read(t, open(t, s, kinesis.Options[string, click]{Since: time.Now().Add(-time.Hour)})); len(got) != 2 {
		t.Errorf("%d records since an hour ago", len(got))
	}
}

func TestRecordsThatCannotBeReadEndTheRunOrAreSkipped(t *testing.T) {
	t.Parallel()
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 1)
	put(t, s, [2]string{"k", "1"}, [2]string{"k", "x"}, [2]string{"k", "3"})
	r := open(t, s, kinesis.Options[string, int]{})
	var batch source.Batch[string, int]
	must(t, r.Read(t.Context(), &batch))
	if len(batch.Records) != 1 {
		t.Errorf("%d records in front of the wrong one", len(batch.Records))
	}
	for range 2 { // it stays there
		if err := r.Read(t.Context(), &batch); err == nil || !strings.Contains(err.Error(), "shardId-000000000000") || !strings.Contains(err.Error(), `partition key "k"`) || !strings.Contains(err.Error(), "Options.SkipInvalid") {
			t.Errorf("got %v", err)
		}
	}
	if got, _ := read(t, open(t, s, kinesis.Options[string, int]{SkipInvalid: true})); len(got) != 2 {
		t.Errorf("%d records, and one is skipped", len(got))
	}
}

// Shards are split and merged while records come. Each record is read once, and those of each key come in order, whatever lanes there are.
func TestKeysKeepTheirOrderWhenShardsAreSplitAndMerged(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			t.Parallel()
			s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 2)
			n := 0
			want := map[string][]string{}
			more := func() {
				var records [][2]string
				for range 120 {
					key, value := fmt.Sprint("key", n%17), fmt.Sprint(n)
					n++
					want[key] = append(want[key], value)
					records = append(records, [2]string{key, value})
				}
				put(t, s, records...)
			}
			more()
			split(t, s, 0) // shards 2 and 3
			more()
			merge(t, s, 3, 1) // shard 4
			more()
			merge(t, s, 2, 4) // shard 5, all of the hashes
			more()
			split(t, s, 5) // shards 6 and 7
			more()

			from := connect(t, s, kinesis.Options[string, string]{Lanes: lanes})
			finished, opened := map[string]bool{}, map[string]bool{}
			got := map[string][]string{}
			for round := 0; ; round++ {
				found, err := from.Splits(t.Context(), func(id string) bool { return finished[id] })
				must(t, err)
				fresh := 0
				for _, split := range found {
					if opened[split.ID] {
						continue
					}
					fresh++
					opened[split.ID] = true
					records, ended := read(t, openSplit(t, from, split.ID))
					finished[split.ID] = ended
					for _, r := range records {
						got[r.Key] = append(got[r.Key], r.Value)
					}
				}
				if fresh == 0 {
					break
				}
				if round == 0 && len(opened) > lanes+1 {
					t.Errorf("%d splits at first, and the data stream began with two shards", len(opened))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// split splits a shard in the middle, and merge merges two.
func split(tb testing.TB, s kinesis.Stream, shard int) {
	tb.Helper()
	for _, at := range kinesistest.Shards(tb, s) {
		if aws.ToString(at.ShardId) != shardID(shard) {
			continue
		}
		_, err := kinesistest.Client(s).SplitShard(tb.Context(), &awskinesis.SplitShardInput{
			StreamName: &s.Name, ShardToSplit: at.ShardId, NewStartingHashKey: aws.String(kinesistest.Middle(tb, at)),
		})
		must(tb, err)
	}
	kinesistest.Active(tb, s)
}

func merge(tb testing.TB, s kinesis.Stream, a, b int) {
	tb.Helper()
	_, err := kinesistest.Client(s).MergeShards(tb.Context(), &awskinesis.MergeShardsInput{
		StreamName: &s.Name, ShardToMerge: aws.String(shardID(a)), AdjacentShardToMerge: aws.String(shardID(b)),
	})
	must(tb, err)
	kinesistest.Active(tb, s)
}

func shardID(n int) string { return fmt.Sprintf("shardId-%012d", n) }

// A shard of moto has no end of its own: the list of shards tells it.
func TestAClosedShardEndsAlsoWithoutWordFromTheService(t *testing.T) {
	t.Parallel()
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Moto), 1)
	put(t, s, [2]string{"k", "1"})
	split(t, s, 0)
	if got, ended := read(t, open(t, s, kinesis.Options[string, string]{})); len(got) != 1 || !ended {
		t.Errorf("%d records, and the end: %v", len(got), ended)
	}
}

func TestAReaderGoesOnAfterItsIteratorHasExpired(t *testing.T) {
	t.Parallel()
	proxy := kinesistest.NewProxy(t, kinesistest.Address(t, kinesistest.Kinesalite))
	s := kinesistest.New(t, proxy.Address, 1)
	r := open(t, s, kinesis.Options[string, string]{})
	var expired atomic.Bool
	proxy.Fail(func(call string, _ []byte) string {
		if call == "GetRecords" && expired.CompareAndSwap(true, false) {
			return "ExpiredIteratorException"
		}
		return ""
	})
	var all []string
	for i := range 3 {
		put(t, s, [2]string{"k", fmt.Sprint(i)})
		expired.Store(i > 0)
		for len(all) <= i {
			var batch source.Batch[string, string]
			must(t, r.Read(t.Context(), &batch))
			for _, record := range batch.Records {
				all = append(all, record.Value)
			}
		}
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, all); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestThrottledReadsAreTriedAgainAndOthersEndTheRun(t *testing.T) {
	t.Parallel()
	proxy := kinesistest.NewProxy(t, kinesistest.Address(t, kinesistest.Kinesalite))
	s := kinesistest.New(t, proxy.Address, 1)
	put(t, s, [2]string{"k", "1"})
	from := connect(t, s, kinesis.Options[string, string]{})
	retry := from.(source.Retrying).Retry()
	splits, err := from.Splits(t.Context(), func(string) bool { return false })
	must(t, err)
	for code, again := range map[string]bool{
		"ProvisionedThroughputExceededException": true, "KMSThrottlingException": true, "InternalFailure": true, "AccessDeniedException": false, "InvalidArgumentException": false,
	} {
		proxy.Fail(func(call string, _ []byte) string { return map[string]string{"GetRecords": code}[call] })
		err := openSplit(t, from, splits[0].ID).Read(t.Context(), &source.Batch[string, string]{})
		if _, got := retry.Next(1000, err); err == nil || got != again || !strings.Contains(err.Error(), "kinesis:GetRecords") {
			t.Errorf("%s: tried again: %v, %v", code, got, err)
		}
	}
	proxy.Fail(nil)
	proxy.Break(true)
	_, err = from.Splits(t.Context(), func(string) bool { return false })
	if _, got := retry.Next(1000, err); !got {
		t.Errorf("no connection: %v", err)
	}
	proxy.Break(false)
	if got, _ := read(t, openSplit(t, from, splits[0].ID)); len(got) != 1 {
		t.Errorf("%d records after the outage", len(got))
	}
}

func TestShardsThatAreGoneEnd(t *testing.T) {
	t.Parallel()
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 1)
	from := connect(t, s, kinesis.Options[string, string]{})
	splits, err := from.Splits(t.Context(), func(string) bool { return false })
	must(t, err)
	_, created, _ := strings.Cut(splits[0].ID, "@")
	for name, id := range map[string]string{"of a former data stream": shardID(0) + "@1", "behind the retention": shardID(77) + "@" + created} {
		if got, ended := read(t, openSplit(t, from, id)); len(got) != 0 || !ended {
			t.Errorf("%s: %d records, and the end: %v", name, len(got), ended)
		}
	}
	for _, id := range []string{"", "x", "x@y", splits[0].ID + "/0.1", splits[0].ID + "/9.3"} {
		if _, err := from.Open(t.Context(), source.Task{}, source.Split{ID: id}, nil); err == nil {
			t.Errorf("the split %q can be opened", id)
		}
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	proxy := kinesistest.NewProxy(t, kinesistest.Address(t, kinesistest.Kinesalite))
	denied := func(call string) kinesis.Stream {
		p := kinesistest.NewProxy(t, proxy.Address)
		p.Fail(func(c string, _ []byte) string { return map[string]string{call: "AccessDeniedException"}[c] })
		s := kinesistest.New(t, proxy.Address, 1)
		s.Endpoint = p.Address
		return s
	}
	good := kinesistest.New(t, proxy.Address, 1)
	with := func(set func(s *kinesis.Stream)) kinesis.Stream {
		s := good
		set(&s)
		return s
	}
	type options = kinesis.Options[string, string]
	for name, c := range map[string]struct {
		stream  kinesis.Stream
		options options
		want    string // "" is success
	}{
		"all is well":               {good, options{}, ""},
		"nothing":                   {kinesis.Stream{}, options{}, "name of the stream is missing"},
		"half of credentials":       {with(func(s *kinesis.Stream) { s.SecretKey = secret.String{} }), options{}, "belong together"},
		"a negative time":           {good, options{PollInterval: -1}, "PollInterval is -1ns, and must not be negative"},
		"too many lanes":            {good, options{Lanes: 2000}, "Lanes is 2000"},
		"too many records":          {good, options{ReadRecords: 20_000}, "ReadRecords is 20000"},
		"no such stream":            {with(func(s *kinesis.Stream) { s.Name = "none" }), options{}, "no such stream"},
		"nobody there":              {with(func(s *kinesis.Stream) { s.Endpoint = "http://127.0.0.1:1" }), options{}, "connection refused"},
		"no permission to describe": {denied("DescribeStreamSummary"), options{}, "kinesis:DescribeStreamSummary"},
		"no permission to list":     {denied("ListShards"), options{}, "kinesis:ListShards"},
		"no permission to locate":   {denied("GetShardIterator"), options{}, "kinesis:GetShardIterator"},
		"no permission to read":     {denied("GetRecords"), options{}, "kinesis:GetRecords"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := kinesis.New(c.stream, c.options)
			secrettest.Hidden(t, s, kinesistest.Secret)
			err := s.Connect(t.Context())
			if err == nil {
				must(t, s.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil {
				secrettest.Absent(t, "the error", err.Error(), kinesistest.Secret)
			}
		})
	}
}

// BenchmarkSource compares the source with the client alone, which reads as many records in a call. One operation reads all records.
func BenchmarkSource(b *testing.B) {
	const total = 20_000
	s := kinesistest.New(b, kinesistest.Address(b, kinesistest.Kinesalite), 1)
	var records [][2]string
	for range total {
		records = append(records, [2]string{"k", strings.Repeat("x", 100)})
	}
	put(b, s, records...)
	b.Run("client", func(b *testing.B) {
		client := kinesistest.Client(s)
		for range b.N {
			at, err := client.GetShardIterator(b.Context(), &awskinesis.GetShardIteratorInput{
				StreamName: &s.Name, ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
			})
			must(b, err)
			for n, next := 0, at.ShardIterator; n < total; {
				out, err := client.GetRecords(b.Context(), &awskinesis.GetRecordsInput{ShardIterator: next, Limit: aws.Int32(2000)})
				must(b, err)
				n, next = n+len(out.Records), out.NextShardIterator
			}
		}
		benchtest.PerRecord(b, total)
	})
	b.Run("source", func(b *testing.B) {
		benchtest.ReadSplit(b, kinesis.New(s, kinesis.Options[string, []byte]{PollInterval: time.Nanosecond}), total, false)
	})
}
