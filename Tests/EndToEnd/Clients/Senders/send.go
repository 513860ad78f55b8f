// Go's net/smtp.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"strings"
)

// LOGIN, which the library lacks.
type login struct{ user, secret string }

func (l login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, errors.New("no TLS")
	}
	return "LOGIN", []byte(l.user), nil
}

func (l login) Next(challenge []byte, more bool) ([]byte, error) {
	if more {
		return []byte(l.secret), nil
	}
	return nil, nil
}

func send(job []string) error {
	authority, err := os.ReadFile(job[8])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	settings := &tls.Config{ServerName: "localhost", RootCAs: roots}
	address := "localhost:" + job[2]
	var client *smtp.Client
	if job[1] == "implicit" {
		connection, err := tls.Dial("tcp", address, settings)
		if err != nil {
			return err
		}
		if client, err = smtp.NewClient(connection, "localhost"); err != nil {
			return err
		}
	} else {
		if client, err = smtp.Dial(address); err != nil {
			return err
		}
		if err = client.StartTLS(settings); err != nil {
			return err
		}
	}
	defer client.Close()
	var auth smtp.Auth = smtp.PlainAuth("", job[4], job[5], "localhost")
	if job[3] == "LOGIN" {
		auth = login{job[4], job[5]}
	}
	if err = client.Auth(auth); err != nil {
		return err
	}
	if err = client.Mail(job[6]); err != nil {
		return err
	}
	for _, recipient := range strings.Split(job[7], ",") {
		if err = client.Rcpt(recipient); err != nil {
			return err
		}
	}
	content, err := client.Data()
	if err != nil {
		return err
	}
	message, err := os.ReadFile(job[9])
	if err != nil {
		return err
	}
	if _, err = content.Write(message); err != nil {
		return err
	}
	if err = content.Close(); err != nil {
		return err
	}
	return client.Quit()
}

func main() {
	jobs := bufio.NewScanner(os.Stdin)
	jobs.Buffer(nil, 1<<20)
	for jobs.Scan() {
		job := strings.Split(jobs.Text(), "\t")
		if err := send(job); err != nil {
			fmt.Printf("%s\tfailed\t%s\n", job[0], strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Printf("%s\tok\n", job[0])
		}
	}
}
