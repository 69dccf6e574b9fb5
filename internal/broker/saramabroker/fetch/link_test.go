package fetch_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fetch"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestFetchesOfEveryVersionBringTheSameRecords(t *testing.T) {
	kafkatest.Parallel(t)
	for version := int16(4); version <= 12; version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			offered := kversion.Stable()
			offered.SetMaxKeyVersion(int16(kmsg.Fetch), version)
			k := kafkatest.Start(t, kfake.MaxVersions(offered))
			if k.Real() {
				t.Skip("offers old versions, which takes kfake")
			}
			spoken := atomic.Int32{}
			k.Cluster().ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
				k.Cluster().KeepControl()
				spoken.Store(int32(r.GetVersion()))
				return nil, nil, false
			})
			c := brokertest.Open(t, k)
			topic := k.Topic(t, "version", 2)
			p := brokertest.NewProducer(t, c, broker.ProducerConfig{Compression: "zstd"})
			f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
			for partition := range int32(2) {
				tp := broker.TopicPartition{Topic: topic, Partition: partition}
				brokertest.Send(t, p, tp, brokertest.Numbered(0, 100)...)
				f.Start(tp, 0)
				brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 100), 0, 100)
				f.Stop(tp)
			}
			if got := spoken.Load(); got != int32(version) {
				t.Errorf("spoke version %d", got)
			}
		})
	}
}

func TestTheFetcherSpeaksTLSAndAuthenticatesAgainAndAgain(t *testing.T) {
	kafkatest.Parallel(t)
	server, trusted := certificate(t)
	k := kafkatest.Start(t, kfake.TLS(server), kfake.EnableSASL(), kfake.Superuser("PLAIN", "admin", "secret"),
		kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "300"}))
	if k.Real() {
		t.Skip("sets certificates and passwords, which takes kfake")
	}
	authenticated := atomic.Int32{}
	k.Cluster().ControlKey(int16(kmsg.SASLAuthenticate), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		authenticated.Add(1)
		return nil, nil, false
	})
	tune := func(roots *x509.CertPool, name string) func(*sarama.Config) {
		return func(conf *sarama.Config) {
			conf.Net.SASL.Enable = true
			conf.Net.SASL.User, conf.Net.SASL.Password = "admin", "secret"
			conf.Net.TLS.Enable = true
			conf.Net.TLS.Config = &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
		}
	}
	c, err := saramabroker.Open(brokertest.Within(t), saramabroker.Config{Brokers: k.Brokers, Logger: brokertest.Logger(t), Tune: tune(trusted, "")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	topic := k.Name("secured")
	if err := c.CreateTopics(brokertest.Within(t), broker.TopicSpec{Name: topic, Partitions: 1, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	tp := broker.TopicPartition{Topic: topic}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: 20 * time.Millisecond})
	f.Start(tp, 0)
	first := authenticated.Load()
	for i := 0; authenticated.Load() < first+12; i++ { // more than there are connections
		brokertest.Send(t, p, tp, brokertest.Numbered(10*i, 10)...)
		brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, int64(10*i+10)), 10*i, 10)
	}
	if _, ok := c.Unreachable(); ok {
		t.Error("a connection failed")
	}
	// A broker that cannot prove who it is gets no fetches, as it gets no other requests.
	for _, test := range []struct {
		roots *x509.CertPool
		name  string
		ok    bool
	}{{trusted, "", true}, {trusted, "127.0.0.1", true}, {trusted, "somebody.else", false}, {x509.NewCertPool(), "", false}} {
		err := fetch.FetchOnce(&conn.Settings{Tune: tune(test.roots, test.name)}, k.Brokers[0])
		if _, refused := errors.AsType[*tls.CertificateVerificationError](err); refused == test.ok || test.ok && err != nil {
			t.Errorf("server name %q: got %v, want success %t", test.name, err, test.ok)
		}
	}
}

// certificate makes one that signs itself, for 127.0.0.1.
func certificate(t *testing.T) (server *tls.Config, trusted *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trusted = x509.NewCertPool()
	trusted.AddCert(parsed)
	pair := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, trusted
}

// serveSet makes kfake answer fetches with a set of records at each offset, or with nothing.
func serveSet(k *kafkatest.Kafka, sets map[int64][]byte, end int64) {
	k.Cluster().ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		request := r.(*kmsg.FetchRequest)
		response := request.ResponseKind().(*kmsg.FetchResponse)
		for _, asked := range request.Topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic = asked.Topic
			for _, p := range asked.Partitions {
				part := kmsg.NewFetchResponseTopicPartition()
				part.Partition, part.HighWatermark, part.LastStableOffset = p.Partition, end, end
				part.RecordBatches = append([]byte{}, sets[p.FetchOffset]...)
				topic.Partitions = append(topic.Partitions, part)
			}
			response.Topics = append(response.Topics, topic)
		}
		return response, nil, true
	})
}

func TestMessagesFromBeforeKafka011AreRead(t *testing.T) {
	k, c := brokertest.StartFake(t, "serves old messages, which takes kfake")
	tp := broker.TopicPartition{Topic: k.Topic(t, "old", 1)}
	finish := func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
		binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
		return b
	}
	zero := kmsg.MessageV0{Offset: 3, Key: []byte("k"), Value: []byte("zero")}
	one := kmsg.MessageV1{Offset: 4, Magic: 1, Timestamp: brokertest.Now, Value: []byte("one")}
	serveSet(k, map[int64][]byte{3: append(finish(zero.AppendTo(nil)), finish(one.AppendTo(nil))...)}, 5)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 3)
	batch := brokertest.Poll(t, f)
	want := []broker.Record{
		{Offset: 3, Key: []byte("k"), Value: []byte("zero"), Millis: -1, LeaderEpoch: -1},
		{Offset: 4, Value: []byte("one"), Millis: brokertest.Now, LeaderEpoch: -1},
	}
	if diff := cmp.Diff(want, batch.Records); diff != "" || batch.NextOffset != 5 {
		t.Errorf("position %d, %s", batch.NextOffset, diff)
	}
	batch.Release()
}

func TestABatchThatStaysCorruptEndsItsPartitionWithAnError(t *testing.T) {
	k, c := brokertest.StartFake(t, "serves corrupt batches, which takes kfake")
	tp := broker.TopicPartition{Topic: k.Topic(t, "corrupt", 1)}
	bad := make([]byte, 100)
	binary.BigEndian.PutUint32(bad[8:], 88)
	bad[16] = 2
	good := kmsg.MessageV1{Offset: 0, Magic: 1, Timestamp: brokertest.Now, Value: []byte("0")}
	set := good.AppendTo(nil)
	binary.BigEndian.PutUint32(set[8:], uint32(len(set)-12))
	binary.BigEndian.PutUint32(set[12:], crc32.ChecksumIEEE(set[16:]))
	serveSet(k, map[int64][]byte{0: append(set, bad...), 1: bad}, 2)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 1), 0, 1)
	if err := brokertest.PollError(t, f); !errors.Is(err, wire.ErrCorrupt) {
		t.Errorf("got %v, want %v", err, wire.ErrCorrupt)
	}
}
