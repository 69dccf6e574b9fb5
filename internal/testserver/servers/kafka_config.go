//go:build unix

package servers

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/weirstreams/weir/internal/testserver/server"
)

const controllerProperties = `
process.roles=controller
node.id=2
controller.quorum.voters=2@127.0.0.1:%[2]d
listeners=CONTROLLER://127.0.0.1:%[2]d
controller.listener.names=CONTROLLER
log.dirs=%[1]s/controller

# One node cannot replicate.
default.replication.factor=1
min.insync.replicas=1

# How soon a broker is fenced that was stopped or has crashed; the default is 9 s.
broker.session.timeout.ms=3000
`

const brokerProperties = `
process.roles=broker
node.id=1
controller.quorum.voters=2@127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[3]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[3]d
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=%[1]s/data

# One node cannot replicate.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Few partitions of the internal topics, so that the first group and the first transaction do not wait for 100.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1

# Tests: no hidden topics, no wait for more members, members and transactions that may time out soon.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

broker.heartbeat.interval.ms=500
# Nobody could take over its partitions. They would be without a leader while it still ends transactions on them.
controlled.shutdown.enable=false

# A small process.
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
`

// The lines "Kafka Server started" and "Fencing broker" are waited for.
const log4jProperties = `
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %%d{HH:mm:ss.SSS} %%-5p %%c{1} %%m%%n
rootLogger.level = %s
rootLogger.appenderRef.stdout.ref = stdout
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
logger.fence.name = org.apache.kafka.controller.ReplicationControlManager
logger.fence.level = INFO
`

// configure writes the configuration of the controller and the broker.
func (k *kafka) configure(ctx context.Context) (err error) {
	if k.port, err = k.Port(ctx); err != nil {
		return err
	}
	if k.controller, err = k.Port(ctx); err != nil {
		return err
	}
	var secure string
	if k.secured = os.Getenv("WEIR_KAFKA_SECURE") != ""; k.secured {
		if secure, err = k.secure(ctx); err != nil {
			return err
		}
	}
	for _, file := range []struct{ name, content string }{
		{"controller.properties", fmt.Sprintf(controllerProperties, k.Dir, k.controller)},
		{"broker.properties", fmt.Sprintf(brokerProperties, k.Dir, k.controller, k.port) + secure + os.Getenv("WEIR_KAFKA_CONFIG") + "\n"},
		{"log4j2.properties", fmt.Sprintf(log4jProperties, cmp.Or(os.Getenv("WEIR_KAFKA_LOG"), "WARN"))},
	} {
		if _, err := k.Write(file.name, file.content); err != nil {
			return err
		}
	}
	return nil
}

const secureProperties = `
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL
listeners=%[2]s
advertised.listeners=%[2]s
ssl.keystore.type=PEM
ssl.keystore.location=%[1]s/secure/broker.keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=%[1]s/secure/ca.pem
listener.name.tls.ssl.client.auth=required
# How long a client that was refused waits for the answer; it keeps passwords from being tried out.
connection.failed.authentication.delay.ms=100
`

const loginProperties = `
listener.name.%[1]s.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.%[1]s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_weir="right";
listener.name.%[1]s.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.%[1]s.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.%[1]s.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
`

// secure makes certificates, and returns the properties of listeners that ask for a login or a certificate.
func (k *kafka) secure(ctx context.Context) (string, error) {
	listeners := []string{"PLAINTEXT://" + server.Address(k.port)}
	for _, listener := range []struct{ name, file string }{{"SASL", "sasl"}, {"TLS", "tls"}, {"SASLTLS", "sasl_tls"}} {
		port, err := k.Port(ctx)
		if err != nil {
			return "", err
		}
		if _, err := k.Write("secure/"+listener.file, server.Address(port)+"\n"); err != nil {
			return "", err
		}
		listeners = append(listeners, listener.name+"://"+server.Address(port))
	}
	if err := writeCertificates(k.Write); err != nil {
		return "", fmt.Errorf("make certificates: %w", err)
	}
	k.Export("WEIR_TEST_SECURE", k.Dir+"/secure")
	return fmt.Sprintf(secureProperties, k.Dir, strings.Join(listeners, ",")) +
		fmt.Sprintf(loginProperties, "sasl") + fmt.Sprintf(loginProperties, "sasltls"), nil
}
