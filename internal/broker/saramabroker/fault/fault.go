// Package fault tells the errors of the Kafka client apart: refusals from outages, errors that another try may cure from final
// ones. It wraps them with the errors of package broker.
package fault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
)

// ErrClosed is the error of calls after Close.
var ErrClosed = errors.New("closed")

// Translate wraps an error of the client with the error of the boundary that it stands for.
func Translate(err error) error {
	if err == nil || IsBoundary(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if code, ok := CodeOf(err); ok {
		if code == sarama.ErrProducerFenced { // which the client has no text for
			err = errors.New("a newer producer has the same transactional id (code 90)")
		}
		if sentinel := SentinelOf(code); sentinel != nil {
			return fmt.Errorf("%w: %w", sentinel, err)
		}
		return err
	}
	if IsUntrusted(err) {
		return fmt.Errorf("%w: %w", weir.ErrUnauthorized, err)
	}
	if errors.Is(err, sarama.ErrInvalidPartition) {
		return fmt.Errorf("%w: %w", weir.ErrUnknownTopic, err)
	}
	if IsTransport(err) {
		return fmt.Errorf("%w: %w", weir.ErrUnavailable, err)
	}
	return err
}

// IsBoundary reports whether err wraps an error of package broker.
func IsBoundary(err error) bool {
	return errors.Is(err, weir.ErrUnavailable) || errors.Is(err, weir.ErrUnknownTopic) ||
		errors.Is(err, weir.ErrFenced) || errors.Is(err, weir.ErrUnauthorized) || errors.Is(err, broker.ErrAborted) ||
		errors.Is(err, broker.ErrRefused) || errors.Is(err, broker.ErrHopeless)
}

// CodeOf returns the error code of the protocol that lies in err. "No error" is not one.
func CodeOf(err error) (sarama.KError, bool) {
	code, ok := errors.AsType[sarama.KError](err)
	if !ok && errors.Is(err, sarama.ErrSASLAuthenticationFailed) { // which the client keeps where only Is looks
		return sarama.ErrSASLAuthenticationFailed, true
	}
	return code, ok && code != sarama.ErrNoError
}

// SentinelOf returns the error of package broker for a code of the protocol, or nil.
func SentinelOf(code sarama.KError) error {
	switch code {
	case sarama.ErrUnknownTopicOrPartition:
		return weir.ErrUnknownTopic
	case sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidTimestamp, sarama.ErrInvalidRecord:
		return broker.ErrRefused
	case sarama.ErrInvalidTopic, sarama.ErrUnsupportedForMessageFormat, sarama.ErrUnsupportedCompressionType, sarama.ErrPolicyViolation,
		sarama.ErrInvalidRequiredAcks, sarama.ErrInvalidRequest, sarama.ErrUnsupportedVersion, sarama.ErrSecurityDisabled,
		sarama.ErrOffsetMetadataTooLarge, sarama.ErrInvalidCommitOffsetSize, sarama.ErrInvalidTransactionTimeout:
		return broker.ErrHopeless
	case sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed, sarama.ErrClusterAuthorizationFailed,
		sarama.ErrTransactionalIDAuthorizationFailed, sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism:
		return weir.ErrUnauthorized
	case sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrFencedInstancedId,
		sarama.ErrInvalidProducerEpoch, sarama.ErrProducerFenced,
		// The cluster has forgotten the transactional id, which was idle for transactional.id.expiration.ms.
		sarama.ErrInvalidProducerIDMapping:
		return weir.ErrFenced
	}
	return nil
}

// IsUntrusted says that a certificate was not accepted, the broker's or ours, which trying again does not change.
func IsUntrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	remote, ok := errors.AsType[*net.OpError](err)
	if !ok || remote.Op != "remote error" || remote.Err == nil {
		return false
	}
	// The type of the alert is not exported; its text is.
	return slices.ContainsFunc(certificateAlerts, func(a tls.AlertError) bool { return a.Error() == remote.Err.Error() })
}

// certificateAlerts are the answers of a broker to a certificate that it does not accept, or that is missing (RFC 8446,
// section 6.2): bad, unsupported, revoked, expired or unknown, its authority is unknown, access is denied, it is required.
var certificateAlerts = []tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}

// IsTransport says that err came from the connection and not from a broker.
func IsTransport(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, isCode := CodeOf(err)
	_, isConfig := errors.AsType[sarama.ConfigurationError](err)
	_, isEncoding := errors.AsType[sarama.PacketEncodingError](err)
	return !isCode && !isConfig && !isEncoding && !IsUntrusted(err) && !errors.Is(err, sarama.ErrUnsupportedVersion) && !errors.Is(err, ErrClosed)
}

// IsRetriable says that the same request may succeed later, perhaps at another broker.
func IsRetriable(err error) bool {
	if errors.Is(err, weir.ErrUnavailable) || IsTransport(err) {
		return true
	}
	code, _ := CodeOf(err)
	switch code {
	case sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrReplicaNotAvailable,
		sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch, sarama.ErrOffsetNotAvailable,
		sarama.ErrRequestTimedOut, sarama.ErrBrokerNotAvailable, sarama.ErrNetworkException,
		sarama.ErrOffsetsLoadInProgress, sarama.ErrConsumerCoordinatorNotAvailable,
		sarama.ErrNotCoordinatorForConsumer, sarama.ErrNotController, sarama.ErrKafkaStorageError:
		return true
	}
	return false
}

// Worse returns the error of the two that trying again does not help against.
func Worse(a, b error) error {
	if a == nil || IsRetriable(a) {
		return b
	}
	return a
}

// Code makes an error of a code, or nil of "no error".
func Code(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	return code
}

// Backoff has the waits between tries of requests to brokers.
var Backoff = backoff.Policy{Base: 50 * time.Millisecond, Max: time.Second}

// ErrTransactionAbortable is TRANSACTION_ABORTABLE (KIP-890), which the client library has no name for.
const ErrTransactionAbortable sarama.KError = 120

// IsUnanswered says that err is no word of the cluster: time was up, or nobody was reached.
func IsUnanswered(err error) bool {
	_, isCode := CodeOf(err)
	return !isCode
}
