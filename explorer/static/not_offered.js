// Greys the regions that the photo does not offer, so that neither mouse nor keys choose them; the words say why.
const grey = () => {
  const names = element.querySelector('.not-offered')?.dataset.names.split(' ') ?? [];
  for (const input of document.querySelectorAll('#region input')) input.disabled = names.includes(input.value);
};
watch('value', grey);
grey();
