'use strict'
// What the drivers of the JavaScript libraries share: who they are, and one line per call.

const assert = require('node:assert/strict')
const { appendFileSync } = require('node:fs')

const { BBB_URL: url, BBB_SECRET: secret, MARK: mark, INBOX: inbox, ROOM: room } = process.env
/** Of the servers behind; texts of equal length compare as versions. */
const version = process.env.BBB_VERSION
const RECORDED_WITHIN = 90_000

let failures = 0

/** A text with the mark and with letters that must be escaped. */
const text = (of) => `${of} Jörg & “Söhne” <${mark}>`

/** Runs the checks of one call and says how they ended. */
async function call(name, checks) {
  try {
    await checks()
    console.log(`ok ${name}`)
  } catch (error) {
    failures += 1
    console.log(`FAIL ${name}: ${String(error.message ?? error).slice(0, 400).replaceAll('\n', ' ')}`)
  }
}

/** Tells of a bug in the library that is worked around. */
const note = (words) => console.log(`note ${words}`)

function has(found, expected) {
  assert.ok(String(found).includes(expected), `${JSON.stringify(expected)} is not in ${JSON.stringify(found)}`)
}

/** Adds bytes that came from elsewhere than the balancer to the record. */
const keep = (data) => appendFileSync(process.env.ELSEWHERE, data + '\n')

const unescaped = (page) =>
  page.replace(/&(lt|gt|quot|#39|amp);/g, (_, name) => ({ lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' })[name])

/** Follows a URL as a browser does: where it ends, and the text there, which goes into the record too. */
async function browse(target, options) {
  const answer = await fetch(target, options)
  const page = await answer.text()
  keep(answer.url + '\n' + JSON.stringify([...answer.headers]) + '\n' + page)
  return { end: answer.url, status: answer.status, headers: answer.headers, page: unescaped(page) }
}

const post = (target, type, body) =>
  browse(target, { method: 'POST', body, headers: type ? { 'Content-Type': type } : {} })

/** Asks again until something is found. */
async function until(found) {
  for (const end = Date.now() + RECORDED_WITHIN; Date.now() < end; ) {
    const result = await found()
    if (result) return result
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error(`nothing after ${RECORDED_WITHIN} ms`)
}

const done = () => process.exit(failures ? 1 : 0)

module.exports = { assert, browse, call, done, has, inbox, mark, note, post, room, secret, text, until, url, version }
