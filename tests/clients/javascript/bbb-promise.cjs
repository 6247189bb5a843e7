'use strict'
// Drives bbb-promise through all it can do. Its answers are xml2js objects: every element is a list.

const bbb = require('bbb-promise')
const { assert, browse, call, done, has, inbox, mark, room, secret, text, until, url, version } =
  require('./drive.cjs')

const { administration, monitoring, recording } = bbb.server(url, secret)
const [second, recorded, unknown] = ['-2', '-recorded', '-unknown'].map((end) => room + end)
const [moderator, attendee] = [`mp ${mark}`, `ap ${mark}`]
const create = (id, more) =>
  administration.create(text('Chemistry'), id, {
    moderatorPW: moderator,
    attendeePW: attendee,
    welcome: text('Welcome'),
    meta_course: text('Course'),
    meta_endCallbackUrl: `${inbox}/ended?${mark}`,
    ...more,
  })
const key = (answer) => answer.response.messageKey?.[0]

async function main() {
  await call('root', async () => {
    assert.equal((await administration.customCall('', {})).response.version[0], '2.0')
  })
  await call('create', async () => {
    const { response } = await create(room)
    assert.equal(response.returncode[0], 'SUCCESS')
    assert.equal(response.meetingID[0], room)
    assert.equal(response.moderatorPW[0], moderator)
    assert.equal(key(await create(room)), 'duplicateWarning')
    assert.equal(key(await create(room, { moderatorPW: 'other', attendeePW: 'another' })), 'idNotUnique')
    await create(second)
  })
  await call('join', async () => {
    const ada = await browse(administration.join(text('Ada'), room, moderator))
    has(ada.end, 'sessionToken=')
    has(ada.page, text('Ada'))
    const ben = await browse(administration.join(text('Ben'), room, attendee, { redirect: 'false' }))
    has(ben.page, 'successfullyJoined')
    // Its own way of joining by another address of the same server.
    has((await browse(administration.join(text('Cy'), room, attendee, {}, url))).page, text('Cy'))
  })
  await call('join refused', async () => {
    const signed = administration.join(text('Eve'), room, 'wrong', { redirect: 'false' })
    const wrong = await browse(signed, { redirect: 'manual' })
    if (version < '2.7') has(wrong.headers.get('location'), 'invalidPassword')
    else has(wrong.page, 'FAILED')
    const lost = await browse(administration.join(text('Eve'), unknown, moderator, { redirect: 'false' }))
    has(lost.page, 'FAILED')
  })
  await call('isMeetingRunning', async () => {
    for (const [id, expected] of [[room, 'true'], [second, 'false'], [unknown, 'false']]) {
      assert.equal((await monitoring.isMeetingRunning(id)).response.running[0], expected)
    }
  })
  await call('getMeetingInfo', async () => {
    const { response } = await monitoring.getMeetingInfo(room)
    assert.equal(response.meetingName[0], text('Chemistry'))
    assert.equal(response.metadata[0].course[0], text('Course'))
    const names = response.attendees[0].attendee.map((one) => one.fullName[0])
    assert.deepEqual(names.sort(), ['Ada', 'Ben', 'Cy'].map(text))
    assert.equal(key(await monitoring.getMeetingInfo(unknown)), 'notFound')
  })
  await call('getMeetings', async () => {
    const { meeting } = (await monitoring.getMeetings()).response.meetings[0]
    const ids = meeting.map((one) => one.meetingID[0])
    assert.ok(ids.includes(room) && ids.includes(second), `listed: ${ids}`)
    assert.ok(meeting.every((one) => one.meetingName[0].includes(mark)), 'a name without our mark')
  })
  await call('customCall', async () => {
    const say = { meetingID: room, message: text('Hello') }
    const said = await administration.customCall('sendChatMessage', say)
    if (version < '3.0') assert.equal(key(said), 'unsupportedRequest')
    else assert.equal(said.response.returncode[0], 'SUCCESS')
    assert.equal(key(await administration.customCall('noSuchCall', { mark })), 'unsupportedRequest')
    const sessions = (await administration.customCall('getSessions', {})).response.sessions[0].meeting
    assert.ok(sessions.some((one) => one.userName[0] === text('Ada')), 'Ada has no session')
    assert.ok(sessions.every((one) => one.userName[0].includes(mark)), 'a session without our mark')
    const hook = await administration.customCall('hooks/create', { callbackURL: `${inbox}/promised?of=${mark}` })
    assert.equal(hook.response.returncode[0], 'SUCCESS')
  })
  await call('end', async () => {
    assert.equal(key(await administration.end(room, attendee)), 'invalidPassword')
    assert.equal(key(await administration.end(unknown, moderator)), 'notFound')
    for (const id of [room, second]) assert.equal(key(await administration.end(id, moderator)), 'sentEndMeetingRequest')
    await until(async () => (await monitoring.isMeetingRunning(room)).response.running[0] === 'false')
  })
  await call('wrong secret', async () => {
    const stranger = bbb.server(url, 'not the secret')
    assert.equal(key(await stranger.monitoring.getMeetings()), 'checksumError')
    assert.equal(key(await stranger.recording.deleteRecordings('x')), 'checksumError')
  })
  await ofRecordings()
  done()
}

async function listed(params) {
  const { response } = await recording.getRecordings({ meetingID: recorded, ...params })
  return response.messageKey?.[0] === 'noRecordings' ? [] : response.recordings[0].recording
}

async function ofRecordings() {
  let id
  await call('getRecordings', async () => {
    await create(recorded, { record: true })
    await browse(administration.join(text('Dan'), recorded, moderator))
    await administration.end(recorded, moderator)
    const [one] = await until(async () => {
      const found = await listed()
      return found.length && found
    })
    id = one.recordID[0]
    assert.equal(one.name[0], text('Chemistry'))
    assert.equal(one.metadata[0].course[0], text('Course'))
    assert.equal((await listed({ state: 'deleted' })).length, 0)
    assert.equal((await listed({ meta_course: text('Course') })).length, 1)
  })
  await call('publishRecordings', async () => {
    assert.equal((await recording.publishRecordings(id, false)).response.published[0], 'false')
    assert.equal((await listed())[0].state[0], 'unpublished')
    assert.equal((await recording.publishRecordings(id, true)).response.published[0], 'true')
  })
  await call('updateRecordings', async () => {
    const { response } = await recording.updateRecordings(id, { meta_chapter: text('Chapter') })
    assert.equal(response.updated[0], 'true')
    assert.equal((await listed())[0].metadata[0].chapter[0], text('Chapter'))
  })
  await call('deleteRecordings', async () => {
    assert.equal((await recording.deleteRecordings(id)).response.deleted[0], 'true')
    assert.equal((await listed()).length, 0)
    assert.equal(key(await recording.deleteRecordings(id)), 'notFound')
  })
}

main()
